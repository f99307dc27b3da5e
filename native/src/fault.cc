// SPDX-License-Identifier: Apache-2.0
#include "fault.h"

#include <cstring>

#include "addon.h"

namespace perigee {
namespace {

// The kernel's own code for "not supported", which it lets slip out to user space; libc has no name for it.
constexpr int kKernelNotSupported = 524;

std::string Describe(int error) {
  if (error == kKernelNotSupported) return "Operation not supported by this kernel (ENOTSUPP)";
  const char* text = strerrordesc_np(error);
  const char* name = strerrorname_np(error);
  if (text == nullptr || name == nullptr) return "errno " + std::to_string(error);
  return std::string(text) + " (" + name + ")";
}

Napi::Array Lines(Napi::Env env, const std::vector<std::string>& lines) {
  Napi::Array array = Napi::Array::New(env, lines.size());
  for (size_t i = 0; i < lines.size(); i++) array.Set(static_cast<uint32_t>(i), lines[i]);
  return array;
}

Napi::Object Shape(Napi::Env env, const Fault& fault) {
  Napi::Object shape = Napi::Object::New(env);
  shape.Set("code", fault.code);
  if (fault.error != 0) shape.Set("errno", fault.error);
  shape.Set("operation", fault.operation);
  shape.Set("object", fault.object);
  if (!fault.verifier_summary.empty()) shape.Set("verifierSummary", Lines(env, fault.verifier_summary));
  if (!fault.verifier_log.empty()) shape.Set("verifierLog", fault.verifier_log);
  if (!fault.warnings.empty()) shape.Set("warnings", Lines(env, fault.warnings));
  if (fault.done) shape.Set("done", *fault.done);
  return shape;
}

}  // namespace

std::string FaultMessage(const Fault& fault) {
  std::string message = fault.operation;
  if (!fault.object.empty()) message += " " + fault.object;
  if (fault.error != 0) message += ": " + Describe(fault.error);
  if (!fault.reason.empty()) message += ": " + fault.reason;
  for (const std::string& line : fault.verifier_summary) message += "\n  " + line;
  return message;
}

void Throw(Napi::Env env, const Fault& fault) {
  Napi::String message = Napi::String::New(env, FaultMessage(fault));
  Napi::Object shape = Shape(env, fault);
  const Napi::FunctionReference& error_class = AddonData::Of(env).error_class;
  if (error_class.IsEmpty()) {
    Napi::Error error = Napi::Error::New(env, message);
    napi_value names = shape.GetPropertyNames();
    Napi::Array keys(env, names);
    for (uint32_t i = 0; i < keys.Length(); i++)
      error.Value().Set(keys.Get(i), shape.Get(Napi::Value(keys.Get(i))));
    throw error;
  }
  throw Napi::Error(env, error_class.New({message, shape}));
}

void Throw(Napi::Env env, const char* code, int error, std::string operation, std::string object) {
  Fault fault;
  fault.code = code;
  fault.error = error;
  fault.operation = std::move(operation);
  fault.object = std::move(object);
  Throw(env, fault);
}

void ThrowArgument(Napi::Env env, std::string operation, std::string object, std::string reason) {
  Fault fault;
  fault.code = "ERR_NATIVE_ARGUMENT";
  fault.operation = std::move(operation);
  fault.object = std::move(object);
  fault.reason = std::move(reason);
  Throw(env, fault);
}

}  // namespace perigee
