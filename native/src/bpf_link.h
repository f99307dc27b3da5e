// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bpf_fd.h"
#include "wrapped.h"

namespace perigee {

struct LinkHandle {
  UniqueFd fd;
  // For messages: the program's name, or the pin that it was opened from.
  std::string name;
  // Empty while not pinned through this handle.
  std::string pin;
};

// An attachment. It lasts while a handle or a pin holds it.
class BpfLink : public Wrapped<BpfLink, LinkHandle> {
 public:
  static constexpr const char* kNoun = "BpfLink";
  static constexpr napi_type_tag kTag = {0x7065726967656503, 0x6c696e6b00000003};
  static Napi::FunctionReference& Constructor(AddonData& data) { return data.bpf_link; }
  static void Define(Napi::Env env, Napi::Object exports);

  static Napi::Object Make(Napi::Env env, UniqueFd fd, std::string name);

  explicit BpfLink(const Napi::CallbackInfo& info) : Wrapped(info) {}

 private:
  static Napi::Value OpenPinned(const Napi::CallbackInfo& info);

  void Pin(const Napi::CallbackInfo& info);
  void Unpin(const Napi::CallbackInfo& info);
  void Update(const Napi::CallbackInfo& info);
  Napi::Value Info(const Napi::CallbackInfo& info);
  Napi::Value Iterate(const Napi::CallbackInfo& info);
  void Detach(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  int RequireFd(Napi::Env env) const { return RequireOpen(env, native_.fd, BpfKind::kLink, native_.name); }
};

}  // namespace perigee
