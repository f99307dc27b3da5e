// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace perigee {

// What the JavaScript error will carry. `error` is a positive errno, 0 for a fault of the caller.
struct Fault {
  const char* code;
  int error = 0;
  std::string operation;
  std::string object;
  // Follows the message after a colon: why, where errno doesn't say it.
  std::string reason;
  std::vector<std::string> verifier_summary;
  std::string verifier_log;
  std::vector<std::string> warnings;
  std::optional<uint32_t> done;
};

// "<operation> <object>: Permission denied (EACCES): <reason>".
std::string FaultMessage(const Fault& fault);

[[noreturn]] void Throw(Napi::Env env, const Fault& fault);

// The usual case: errno says all.
[[noreturn]] void Throw(Napi::Env env, const char* code, int error, std::string operation,
                        std::string object);

// A wrong argument: ERR_NATIVE_ARGUMENT.
[[noreturn]] void ThrowArgument(Napi::Env env, std::string operation, std::string object, std::string reason);

}  // namespace perigee
