// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <string>

#include "bpf_fd.h"
#include "wrapped.h"

namespace perigee {

constexpr int kNoAttachType = -1;

struct ProgramHandle {
  UniqueFd fd;
  std::string name;
  std::string section;
  // enum bpf_attach_type; the kernel doesn't tell it of a pinned program.
  int attach_type = kNoAttachType;
  bpf_prog_info info = {};
};

// A loaded program.
class BpfProgram : public Wrapped<BpfProgram, ProgramHandle> {
 public:
  static constexpr const char* kNoun = "BpfProgram";
  static constexpr napi_type_tag kTag = {0x7065726967656502, 0x70726f6772616d02};
  static Napi::FunctionReference& Constructor(AddonData& data) { return data.bpf_program; }
  static void Define(Napi::Env env, Napi::Object exports);

  // Completes the handle with what the kernel knows of it.
  static Napi::Object Make(Napi::Env env, ProgramHandle handle);

  explicit BpfProgram(const Napi::CallbackInfo& info);

  int RequireFd(Napi::Env env) const { return RequireOpen(env, native_.fd, BpfKind::kProgram, native_.name); }
  const std::string& name() const { return native_.name; }

 private:
  static Napi::Value OpenPinned(const Napi::CallbackInfo& info);

  Napi::Value AttachCgroup(const Napi::CallbackInfo& info);
  Napi::Value AttachNetns(const Napi::CallbackInfo& info);
  Napi::Value AttachTracepoint(const Napi::CallbackInfo& info);
  Napi::Value AttachTracing(const Napi::CallbackInfo& info);
  Napi::Value AttachIterator(const Napi::CallbackInfo& info);
  void AttachSkMsg(const Napi::CallbackInfo& info);
  void DetachSkMsg(const Napi::CallbackInfo& info);
  Napi::Value TestRun(const Napi::CallbackInfo& info);
  void Pin(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  Napi::Value AttachTo(Napi::Env env, int target_fd, const char* target);
  bpf_attach_type RequireAttachType(Napi::Env env) const;
  [[noreturn]] void ThrowAttach(Napi::Env env, int error, const std::string& target) const;
};

}  // namespace perigee
