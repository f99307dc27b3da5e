// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/bpf.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>

namespace perigee {

// What walking a map needs to know of it.
struct MapView {
  int fd;
  const bpf_map_info& info;
  size_t entry_size;

  // Entries per system call: enough to make its cost vanish, not so many that a buffer of per-CPU values
  // explodes.
  uint32_t ChunkEntries() const {
    constexpr size_t kChunkBytes = 4 << 20;
    constexpr size_t kChunkEntries = 4096;
    const size_t fit = kChunkBytes / std::max<size_t>(entry_size, 1);
    return static_cast<uint32_t>(std::clamp<size_t>(fit, 1, kChunkEntries));
  }
};

// How the kernel says that it has no batch operation for a type; 524 is its internal ENOTSUPP.
inline bool IsUnsupportedBatch(int error) { return error == EINVAL || error == EOPNOTSUPP || error == 524; }

}  // namespace perigee
