// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace perigee {

// This thread's effective set, as "CAP_BPF"; numbers beyond the names known here as "CAP_41".
std::vector<std::string> EffectiveCapabilities();

}  // namespace perigee
