// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

namespace perigee {

// Whether a type of program may call a helper: 1, 0, or a negative errno if the kernel didn't come to that
// question. libbpf 1.1 has the same, but takes the wording of kernels from 6.8 on for a yes.
int ProbeHelper(bpf_prog_type type, bpf_func_id helper);

}  // namespace perigee
