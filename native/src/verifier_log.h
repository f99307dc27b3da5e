// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "fault.h"

namespace perigee {

// The decisive lines of a verifier's log: the source lines that led to the last instruction, that
// instruction, the reason.
std::vector<std::string> SummarizeVerifierLog(const std::string& log);

// The fault of a failed bpf_object__load, from libbpf's messages.
Fault LoadFault(int error, const std::string& path, const std::vector<std::string>& messages);

}  // namespace perigee
