// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>

namespace perigee {

// BPF_PROG_TEST_RUN with the input {dataIn, ctxIn, ctxSize, repeat}.
Napi::Value RunProgram(Napi::Env env, int fd, uint32_t type, const std::string& name,
                       const Napi::Value& input);

}  // namespace perigee
