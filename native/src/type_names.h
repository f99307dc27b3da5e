// SPDX-License-Identifier: Apache-2.0
// Names of the kernel's enums, as libbpf spells them.
#pragma once

#include <linux/bpf.h>
#include <napi.h>

#include <string>

namespace perigee {

// Types newer than libbpf are given by number.
std::string MapTypeName(uint32_t type);
std::string ProgramTypeName(uint32_t type);

bpf_map_type MapTypeByName(Napi::Env env, const std::string& name);
bpf_prog_type ProgramTypeByName(Napi::Env env, const std::string& name);

}  // namespace perigee
