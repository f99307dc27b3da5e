// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bpf/libbpf.h>

#include <memory>
#include <string>

#include "wrapped.h"

namespace perigee {

struct ObjectCloser {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

struct ObjectHandle {
  std::unique_ptr<bpf_object, ObjectCloser> object;
  std::string path;
  bool loaded = false;
};

// An ELF object file: open, configure, load, take maps and programs out of it.
class BpfObject : public Wrapped<BpfObject, ObjectHandle> {
 public:
  static constexpr const char* kNoun = "BpfObject";
  static constexpr napi_type_tag kTag = {0x7065726967656501, 0x6f626a6563740001};
  static Napi::FunctionReference& Constructor(AddonData& data) { return data.bpf_object; }
  static void Define(Napi::Env env, Napi::Object exports);

  explicit BpfObject(const Napi::CallbackInfo& info);

 private:
  static Napi::Value Open(const Napi::CallbackInfo& info);

  void SetReadOnlyData(const Napi::CallbackInfo& info);
  Napi::Value ReadOnlyData(const Napi::CallbackInfo& info);
  void SetMaxEntries(const Napi::CallbackInfo& info);
  void SetAutoload(const Napi::CallbackInfo& info);
  void ReuseMap(const Napi::CallbackInfo& info);
  void Load(const Napi::CallbackInfo& info);
  Napi::Value Map(const Napi::CallbackInfo& info);
  Napi::Value Program(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  bpf_object* Require(Napi::Env env) const;
  bpf_object* RequireUnloaded(Napi::Env env, const char* operation) const;
  bpf_object* RequireLoaded(Napi::Env env, const char* operation) const;
  bpf_map* FindMap(Napi::Env env, const std::string& name) const;
  bpf_program* FindProgram(Napi::Env env, const std::string& name) const;
};

}  // namespace perigee
