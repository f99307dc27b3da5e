// SPDX-License-Identifier: Apache-2.0
#include "bpf_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <cerrno>

#include "arguments.h"
#include "bpf_link.h"
#include "bpf_map.h"
#include "test_run.h"
#include "tracepoint.h"
#include "type_names.h"

namespace perigee {
namespace {

// The kernel attaches by the program's type, whatever the caller believes the descriptor to be.
bool IsNetnsType(uint32_t type) {
  return type == BPF_PROG_TYPE_SK_LOOKUP || type == BPF_PROG_TYPE_FLOW_DISSECTOR;
}

}  // namespace

void BpfProgram::Define(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor =
      DefineClass(env, kNoun,
                  {
                      StaticMethod<&BpfProgram::OpenPinned>("openPinned"),
                      InstanceMethod<&BpfProgram::AttachCgroup>("attachCgroup"),
                      InstanceMethod<&BpfProgram::AttachNetns>("attachNetns"),
                      InstanceMethod<&BpfProgram::AttachTracepoint>("attachTracepoint"),
                      InstanceMethod<&BpfProgram::AttachTracing>("attachTracing"),
                      InstanceMethod<&BpfProgram::AttachIterator>("attachIterator"),
                      InstanceMethod<&BpfProgram::AttachSkMsg>("attachSkMsg"),
                      InstanceMethod<&BpfProgram::DetachSkMsg>("detachSkMsg"),
                      InstanceMethod<&BpfProgram::TestRun>("testRun"),
                      InstanceMethod<&BpfProgram::Pin>("pin"),
                      InstanceMethod<&BpfProgram::Close>("close"),
                      InstanceMethod<&BpfProgram::Close>(Napi::Symbol::WellKnown(env, "dispose")),
                  });
  Constructor(AddonData::Of(env)) = Napi::Persistent(constructor);
  exports.Set(kNoun, constructor);
}

void InitBpfProgram(Napi::Env env, Napi::Object exports) { BpfProgram::Define(env, exports); }

Napi::Object BpfProgram::Make(Napi::Env env, ProgramHandle handle) {
  uint32_t size = sizeof(handle.info);
  if (bpf_obj_get_info_by_fd(handle.fd.get(), &handle.info, &size) != 0) {
    Throw(env, "ERR_BPF_OPEN", errno, "read program", handle.name);
  }
  // At most 15 characters; what comes from an object file has its name from there.
  if (handle.name.empty()) handle.name = handle.info.name;
  return Wrap(env, std::move(handle));
}

BpfProgram::BpfProgram(const Napi::CallbackInfo& info) : Wrapped(info) {
  Napi::Env env = info.Env();
  Constant("name", Napi::String::New(env, native_.name));
  Constant("type", Napi::String::New(env, ProgramTypeName(native_.info.type)));
  Constant("sectionName", Napi::String::New(env, native_.section));
  Constant("verifiedInstructions", Napi::Number::New(env, native_.info.verified_insns));
  Constant("id", Napi::Number::New(env, native_.info.id));
}

Napi::Value BpfProgram::OpenPinned(const Napi::CallbackInfo& info) {
  ProgramHandle handle;
  handle.fd = perigee::OpenPinned(info.Env(), PathArgument(info[0], "path"), BpfKind::kProgram);
  return Make(info.Env(), std::move(handle));
}

Napi::Value BpfProgram::AttachCgroup(const Napi::CallbackInfo& info) {
  if (IsNetnsType(native_.info.type)) ThrowAttach(info.Env(), EINVAL, "a cgroup");
  return AttachTo(info.Env(), FdArgument(info[0], "cgroupFd"), "the cgroup");
}

Napi::Value BpfProgram::AttachNetns(const Napi::CallbackInfo& info) {
  if (!IsNetnsType(native_.info.type)) ThrowAttach(info.Env(), EINVAL, "a network namespace");
  return AttachTo(info.Env(), FdArgument(info[0], "netnsFd"), "the network namespace");
}

Napi::Value BpfProgram::AttachTo(Napi::Env env, int target_fd, const char* target) {
  UniqueFd link(bpf_link_create(RequireFd(env), target_fd, RequireAttachType(env), nullptr));
  if (!link.valid()) ThrowAttach(env, errno, target);
  return BpfLink::Make(env, std::move(link), native_.name);
}

Napi::Value BpfProgram::AttachTracepoint(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string category = StringArgument(info[0], "category");
  const std::string name = StringArgument(info[1], "name");
  const std::string target = category + "/" + name;
  const bool raw = native_.info.type == BPF_PROG_TYPE_RAW_TRACEPOINT;
  int error = 0;
  UniqueFd link = raw ? UniqueFd(bpf_raw_tracepoint_open(name.c_str(), RequireFd(env)))
                      : LinkTracepoint(RequireFd(env), category, name, error);
  if (!link.valid()) ThrowAttach(env, raw ? errno : error, target);
  return BpfLink::Make(env, std::move(link), native_.name);
}

Napi::Value BpfProgram::AttachTracing(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  UniqueFd link(bpf_raw_tracepoint_open(nullptr, RequireFd(env)));
  if (!link.valid()) ThrowAttach(env, errno, native_.section);
  return BpfLink::Make(env, std::move(link), native_.name);
}

Napi::Value BpfProgram::AttachIterator(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bpf_iter_link_info target = {};
  bpf_link_create_opts options = {};
  options.sz = sizeof(options);
  if (!IsAbsent(info[0])) {
    target.map.map_fd = static_cast<uint32_t>(BpfMap::From(info[0], "map").RequireFd(env));
    options.iter_info = &target;
    options.iter_info_len = sizeof(target);
  }
  UniqueFd link(bpf_link_create(RequireFd(env), 0, BPF_TRACE_ITER, &options));
  if (!link.valid()) ThrowAttach(env, errno, native_.section);
  return BpfLink::Make(env, std::move(link), native_.name);
}

void BpfProgram::AttachSkMsg(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const BpfMap& map = BpfMap::From(info[0], "map");
  if (bpf_prog_attach(RequireFd(env), map.RequireFd(env), RequireAttachType(env), 0) != 0) {
    ThrowAttach(env, errno, "map " + map.name());
  }
}

void BpfProgram::DetachSkMsg(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const BpfMap& map = BpfMap::From(info[0], "map");
  // That of sk_msg is known even where the program comes from its pin.
  bpf_attach_type type =
      native_.info.type == BPF_PROG_TYPE_SK_MSG ? BPF_SK_MSG_VERDICT : RequireAttachType(env);
  if (bpf_prog_detach2(RequireFd(env), map.RequireFd(env), type) != 0) {
    Throw(env, "ERR_BPF_ATTACH", errno, "detach program", native_.name + " from map " + map.name());
  }
}

Napi::Value BpfProgram::TestRun(const Napi::CallbackInfo& info) {
  return RunProgram(info.Env(), RequireFd(info.Env()), native_.info.type, native_.name, info[0]);
}

void BpfProgram::Pin(const Napi::CallbackInfo& info) {
  perigee::Pin(info.Env(), native_.fd, BpfKind::kProgram, PathArgument(info[0], "path"));
}

void BpfProgram::Close(const Napi::CallbackInfo&) { native_.fd.reset(); }

bpf_attach_type BpfProgram::RequireAttachType(Napi::Env env) const {
  if (native_.attach_type == kNoAttachType) {
    ThrowArgument(env, "attach program", native_.name, "opened from its pin, it has no attach type");
  }
  return static_cast<bpf_attach_type>(native_.attach_type);
}

void BpfProgram::ThrowAttach(Napi::Env env, int error, const std::string& target) const {
  Throw(env, "ERR_BPF_ATTACH", error, "attach program", native_.name + " to " + target);
}

}  // namespace perigee
