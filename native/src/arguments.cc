// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <climits>
#include <cmath>

#include "fault.h"

namespace perigee {
namespace {

[[noreturn]] void Refuse(const Napi::Value& value, const char* what, const std::string& wanted) {
  ThrowArgument(value.Env(), "read argument", what, "wants " + wanted);
}

}  // namespace

std::string StringArgument(const Napi::Value& value, const char* what) {
  if (!value.IsString()) Refuse(value, what, "a string");
  return value.As<Napi::String>().Utf8Value();
}

std::string PathArgument(const Napi::Value& value, const char* what) {
  std::string path = StringArgument(value, what);
  if (path.empty() || path.find('\0') != std::string::npos) Refuse(value, what, "a path");
  return path;
}

ByteView BytesArgument(const Napi::Value& value, const char* what) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) {
    Refuse(value, what, "a Uint8Array");
  }
  Napi::Uint8Array bytes = value.As<Napi::Uint8Array>();
  return {bytes.Data(), bytes.ByteLength()};
}

ByteView BytesArgument(const Napi::Value& value, size_t size, const char* what) {
  ByteView bytes = BytesArgument(value, what);
  if (bytes.size != size) {
    Refuse(value, what, std::to_string(size) + " bytes, got " + std::to_string(bytes.size));
  }
  return bytes;
}

uint32_t UintArgument(const Napi::Value& value, const char* what, uint32_t min, uint32_t max) {
  const std::string wanted = "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  if (!value.IsNumber()) Refuse(value, what, wanted);
  const double number = value.As<Napi::Number>().DoubleValue();
  if (!(number >= min && number <= max) || std::trunc(number) != number) Refuse(value, what, wanted);
  return static_cast<uint32_t>(number);
}

int FdArgument(const Napi::Value& value, const char* what) {
  return static_cast<int>(UintArgument(value, what, 0, INT_MAX));
}

uint64_t BigUintArgument(const Napi::Value& value, const char* what) {
  if (!value.IsBigInt()) Refuse(value, what, "a bigint");
  bool lossless = false;
  const uint64_t number = value.As<Napi::BigInt>().Uint64Value(&lossless);
  if (!lossless) Refuse(value, what, "a bigint of 64 bits");
  return number;
}

bool BoolArgument(const Napi::Value& value, const char* what) {
  if (!value.IsBoolean()) Refuse(value, what, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

Napi::Object ObjectArgument(const Napi::Value& value, const char* what) {
  if (!value.IsObject()) Refuse(value, what, "an object");
  return value.As<Napi::Object>();
}

bool FlagOption(const Napi::Object& options, const char* name) {
  Napi::Value value = options.Get(name);
  return !IsAbsent(value) && BoolArgument(value, name);
}

}  // namespace perigee
