// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <string>

#include "arguments.h"
#include "bpf_fd.h"
#include "wrapped.h"

namespace perigee {

struct MapHandle {
  UniqueFd fd;
  std::string name;
  bpf_map_info info = {};
  // Possible CPUs for per-CPU types, else 1.
  uint32_t copies = 1;
  // Bytes of a value as the kernel copies it: all CPUs' copies, each rounded up to 8.
  size_t entry_size = 0;
};

// A map. Keys and values are bytes; the kernel copies as many as the map says, so each length is checked
// here.
class BpfMap : public Wrapped<BpfMap, MapHandle> {
 public:
  static constexpr const char* kNoun = "BpfMap";
  static constexpr napi_type_tag kTag = {0x7065726967656504, 0x6d61700000000004};
  static Napi::FunctionReference& Constructor(AddonData& data) { return data.bpf_map; }
  static void Define(Napi::Env env, Napi::Object exports);

  // An empty name is read from the kernel (at most 15 characters).
  static Napi::Object Make(Napi::Env env, UniqueFd fd, std::string name);

  explicit BpfMap(const Napi::CallbackInfo& info);

  int RequireFd(Napi::Env env) const { return RequireOpen(env, native_.fd, BpfKind::kMap, native_.name); }
  const std::string& name() const { return native_.name; }
  const bpf_map_info& info() const { return native_.info; }

 private:
  static Napi::Value OpenPinned(const Napi::CallbackInfo& info);
  static Napi::Value OpenById(const Napi::CallbackInfo& info);
  static Napi::Value Create(const Napi::CallbackInfo& info);

  Napi::Value Lookup(const Napi::CallbackInfo& info);
  void Update(const Napi::CallbackInfo& info);
  Napi::Value Delete(const Napi::CallbackInfo& info);
  Napi::Value Dump(const Napi::CallbackInfo& info);
  Napi::Value UpdateBatch(const Napi::CallbackInfo& info);
  Napi::Value DeleteBatch(const Napi::CallbackInfo& info);
  Napi::Value LookupFd(const Napi::CallbackInfo& info);
  void UpdateFd(const Napi::CallbackInfo& info);
  Napi::Value DeleteFd(const Napi::CallbackInfo& info);
  void UpdateSocket(const Napi::CallbackInfo& info);
  void UpdateInner(const Napi::CallbackInfo& info);
  Napi::Value Mapped(const Napi::CallbackInfo& info);
  Napi::Value WithMapped(const Napi::CallbackInfo& info);
  void Pin(const Napi::CallbackInfo& info);
  void Freeze(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  ByteView Key(const Napi::Value& value) const { return BytesArgument(value, native_.info.key_size, "key"); }
  // Maps the values; `bytes` and `mapped` are how many there are and how much memory they take.
  uint8_t* MapValues(Napi::Env env, size_t& bytes, size_t& mapped);
  Napi::Value LookupKey(Napi::Env env, const void* key);
  bool DeleteKey(Napi::Env env, const void* key);
  void RequireType(Napi::Env env, bool matches, const char* wanted) const;
  [[noreturn]] void ThrowMap(Napi::Env env, int error, const char* operation) const;
};

}  // namespace perigee
