// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "unique_fd.h"

namespace perigee {

// Links a program to a static tracepoint on all CPUs; on failure the descriptor is invalid and `error` an
// errno.
UniqueFd LinkTracepoint(int program_fd, const std::string& category, const std::string& name, int& error);

}  // namespace perigee
