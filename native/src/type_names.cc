// SPDX-License-Identifier: Apache-2.0
#include "type_names.h"

#include <bpf/libbpf.h>

#include "fault.h"

namespace perigee {
namespace {

constexpr int kMostTypes = 256;

// libbpf gives names by number only, null past its last.
template <typename Type>
Type ByName(Napi::Env env, const char* noun, const char* (*name_of)(Type), const std::string& name) {
  for (int i = 0; i < kMostTypes; i++) {
    const char* known = name_of(static_cast<Type>(i));
    if (known != nullptr && name == known) return static_cast<Type>(i);
  }
  ThrowArgument(env, noun, name, "libbpf knows no such type");
}

}  // namespace

std::string MapTypeName(uint32_t type) {
  const char* name = libbpf_bpf_map_type_str(static_cast<bpf_map_type>(type));
  return name == nullptr ? std::to_string(type) : name;
}

std::string ProgramTypeName(uint32_t type) {
  const char* name = libbpf_bpf_prog_type_str(static_cast<bpf_prog_type>(type));
  return name == nullptr ? std::to_string(type) : name;
}

bpf_map_type MapTypeByName(Napi::Env env, const std::string& name) {
  return ByName(env, "name map type", libbpf_bpf_map_type_str, name);
}

bpf_prog_type ProgramTypeByName(Napi::Env env, const std::string& name) {
  return ByName(env, "name program type", libbpf_bpf_prog_type_str, name);
}

}  // namespace perigee
