// SPDX-License-Identifier: Apache-2.0
#include "bpf_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <unistd.h>

#include <cerrno>
#include <vector>

#include "arguments.h"
#include "bpf_program.h"
#include "netns_scope.h"

namespace perigee {
namespace {

// Types newer than libbpf are given by number.
Napi::String Name(Napi::Env env, const char* name, uint32_t number) {
  return Napi::String::New(env, name == nullptr ? std::to_string(number) : name);
}

// As much as the kernel keeps for one read of a walk.
constexpr size_t kWalkChunk = 32 * 1024;

void SetAttachType(Napi::Object& result, uint32_t type) {
  result.Set("attachType",
             Name(result.Env(), libbpf_bpf_attach_type_str(static_cast<bpf_attach_type>(type)), type));
}

}  // namespace

void BpfLink::Define(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor =
      DefineClass(env, kNoun,
                  {
                      StaticMethod<&BpfLink::OpenPinned>("openPinned"),
                      InstanceMethod<&BpfLink::Pin>("pin"),
                      InstanceMethod<&BpfLink::Unpin>("unpin"),
                      InstanceMethod<&BpfLink::Update>("update"),
                      InstanceMethod<&BpfLink::Info>("info"),
                      InstanceMethod<&BpfLink::Iterate>("iterate"),
                      InstanceMethod<&BpfLink::Detach>("detach"),
                      InstanceMethod<&BpfLink::Close>("close"),
                      InstanceMethod<&BpfLink::Close>(Napi::Symbol::WellKnown(env, "dispose")),
                  });
  Constructor(AddonData::Of(env)) = Napi::Persistent(constructor);
  exports.Set(kNoun, constructor);
}

void InitBpfLink(Napi::Env env, Napi::Object exports) { BpfLink::Define(env, exports); }

Napi::Object BpfLink::Make(Napi::Env env, UniqueFd fd, std::string name) {
  LinkHandle handle;
  handle.fd = std::move(fd);
  handle.name = "of program " + name;
  return Wrap(env, std::move(handle));
}

Napi::Value BpfLink::OpenPinned(const Napi::CallbackInfo& info) {
  LinkHandle handle;
  handle.pin = PathArgument(info[0], "path");
  handle.name = handle.pin;
  handle.fd = perigee::OpenPinned(info.Env(), handle.pin, BpfKind::kLink);
  return Wrap(info.Env(), std::move(handle));
}

void BpfLink::Pin(const Napi::CallbackInfo& info) {
  const std::string path = PathArgument(info[0], "path");
  perigee::Pin(info.Env(), native_.fd, BpfKind::kLink, path);
  native_.pin = path;
}

void BpfLink::Unpin(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (native_.pin.empty())
    ThrowArgument(env, "unpin link", native_.name, "it isn't pinned through this handle");
  if (unlink(native_.pin.c_str()) != 0) Throw(env, "ERR_BPF_PIN", errno, "unpin link", native_.pin);
  native_.pin.clear();
}

void BpfLink::Update(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const BpfProgram& program = BpfProgram::From(info[0], "program");
  if (bpf_link_update(RequireFd(env), program.RequireFd(env), nullptr) != 0) {
    Throw(env, "ERR_BPF_LINK", errno, "update link", native_.name + " to program " + program.name());
  }
}

Napi::Value BpfLink::Info(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bpf_link_info link = {};
  uint32_t size = sizeof(link);
  if (bpf_obj_get_info_by_fd(RequireFd(env), &link, &size) != 0) {
    Throw(env, "ERR_BPF_LINK", errno, "read link", native_.name);
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("id", link.id);
  result.Set("type", Name(env, libbpf_bpf_link_type_str(static_cast<bpf_link_type>(link.type)), link.type));
  result.Set("programId", link.prog_id);
  if (link.type == BPF_LINK_TYPE_CGROUP) {
    result.Set("cgroupId", Napi::BigInt::New(env, static_cast<uint64_t>(link.cgroup.cgroup_id)));
    SetAttachType(result, link.cgroup.attach_type);
  } else if (link.type == BPF_LINK_TYPE_NETNS) {
    result.Set("netnsIno", link.netns.netns_ino);
    SetAttachType(result, link.netns.attach_type);
  } else if (link.type == BPF_LINK_TYPE_TRACING) {
    SetAttachType(result, link.tracing.attach_type);
  }
  return result;
}

// The walk sees the namespace that it was begun in, whichever thread reads on.
Napi::Value BpfLink::Iterate(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int link = RequireFd(env);
  UniqueFd walk;
  int error;
  {
    NetnsScope scope(env, NetnsArgument(info[0]));
    walk.reset(bpf_iter_create(link));
    error = errno;
  }
  if (!walk.valid()) Throw(env, "ERR_BPF_ITERATE", error, "begin walk", native_.name);
  std::vector<uint8_t> bytes;
  for (;;) {
    const size_t done = bytes.size();
    bytes.resize(done + kWalkChunk);
    const ssize_t got = read(walk.get(), bytes.data() + done, kWalkChunk);
    bytes.resize(done + (got > 0 ? static_cast<size_t>(got) : 0));
    // A batch that did not fit, or a signal: the walk goes on where it was.
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got < 0) Throw(env, "ERR_BPF_ITERATE", errno, "read walk", native_.name);
    if (got == 0) return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), bytes.size());
  }
}

void BpfLink::Detach(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (bpf_link_detach(RequireFd(env)) != 0) Throw(env, "ERR_BPF_LINK", errno, "detach link", native_.name);
}

void BpfLink::Close(const Napi::CallbackInfo&) { native_.fd.reset(); }

}  // namespace perigee
