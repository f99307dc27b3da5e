// SPDX-License-Identifier: Apache-2.0
// Checked conversion of JavaScript values. `what` names the argument in the error.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace perigee {

// Bytes of a Uint8Array, valid until JavaScript runs again.
struct ByteView {
  uint8_t* data;
  size_t size;
};

std::string StringArgument(const Napi::Value& value, const char* what);
// A string that names something in the file system: not empty, no NUL inside.
std::string PathArgument(const Napi::Value& value, const char* what);
ByteView BytesArgument(const Napi::Value& value, const char* what);
// Bytes of exactly this length.
ByteView BytesArgument(const Napi::Value& value, size_t size, const char* what);
// An integer in [min, max].
uint32_t UintArgument(const Napi::Value& value, const char* what, uint32_t min = 0,
                      uint32_t max = UINT32_MAX);
int FdArgument(const Napi::Value& value, const char* what);
uint64_t BigUintArgument(const Napi::Value& value, const char* what);
bool BoolArgument(const Napi::Value& value, const char* what);
Napi::Object ObjectArgument(const Napi::Value& value, const char* what);

// Absent, or null where the type says so.
inline bool IsAbsent(const Napi::Value& value) {
  return value.IsEmpty() || value.IsUndefined() || value.IsNull();
}

// An optional boolean property, false if absent.
bool FlagOption(const Napi::Object& options, const char* name);

}  // namespace perigee
