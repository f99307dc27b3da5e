// SPDX-License-Identifier: Apache-2.0
#include "addon.h"

#include "libbpf_print.h"

namespace perigee {
namespace {

void SetErrorClass(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) throw Napi::TypeError::New(info.Env(), "setErrorClass wants a class");
  AddonData::Of(info.Env()).error_class = Napi::Persistent(info[0].As<Napi::Function>());
}

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData());
  InstallLibbpfPrint();
  exports.Set("setErrorClass", Napi::Function::New(env, SetErrorClass, "setErrorClass"));
  InitBpfLink(env, exports);
  InitBpfMap(env, exports);
  InitBpfObject(env, exports);
  InitBpfProgram(env, exports);
  InitBpffs(env, exports);
  InitCgroup(env, exports);
  InitClock(env, exports);
  InitFileLock(env, exports);
  InitFlowWriter(env, exports);
  InitNetns(env, exports);
  InitProbe(env, exports);
  InitRingBuffer(env, exports);
  InitSockDiag(env, exports);
  InitSockets(env, exports);
  InitRoute(env, exports);
#ifdef PERIGEE_REACTOR
  InitReactor(env, exports);
#endif
  return exports;
}

}  // namespace
}  // namespace perigee

NAPI_MODULE_INIT() { return Napi::RegisterModule(env, exports, perigee::Init); }
