// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <set>
#include <string>

#include "unique_fd.h"

namespace perigee {

// One per environment, that is per thread: nothing here needs a lock.
struct AddonData {
  // Faults are made of this class once it is set, see fault.h.
  Napi::FunctionReference error_class;
  Napi::FunctionReference bpf_link;
  Napi::FunctionReference bpf_map;
  Napi::FunctionReference bpf_object;
  Napi::FunctionReference bpf_program;
  // The native half of a handle whose JavaScript half is being made, see wrapped.h.
  void* pending = nullptr;
  // This thread's own network namespace, opened at first use, see netns_scope.h.
  UniqueFd home_netns;
  // The kernel's functions for eBPF, read at the first question: its types take 30 ms to go through.
  std::set<std::string> kfuncs;

  static AddonData& Of(Napi::Env env) { return *env.GetInstanceData<AddonData>(); }
};

void InitBpfLink(Napi::Env env, Napi::Object exports);
void InitBpfMap(Napi::Env env, Napi::Object exports);
void InitBpfObject(Napi::Env env, Napi::Object exports);
void InitBpfProgram(Napi::Env env, Napi::Object exports);
void InitBpffs(Napi::Env env, Napi::Object exports);
void InitCgroup(Napi::Env env, Napi::Object exports);
void InitClock(Napi::Env env, Napi::Object exports);
void InitFileLock(Napi::Env env, Napi::Object exports);
void InitFlowWriter(Napi::Env env, Napi::Object exports);
void InitNetns(Napi::Env env, Napi::Object exports);
void InitProbe(Napi::Env env, Napi::Object exports);
void InitReactor(Napi::Env env, Napi::Object exports);
void InitRingBuffer(Napi::Env env, Napi::Object exports);
void InitRoute(Napi::Env env, Napi::Object exports);
void InitSockDiag(Napi::Env env, Napi::Object exports);
void InitSockets(Napi::Env env, Napi::Object exports);

}  // namespace perigee
