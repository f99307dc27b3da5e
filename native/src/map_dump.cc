// SPDX-License-Identifier: Apache-2.0
#include "map_dump.h"

#include <bpf/bpf.h>

#include <string>
#include <unordered_set>

namespace perigee {
namespace {

constexpr int kAttempts = 8;

bool IsHash(uint32_t type) {
  return type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_PERCPU_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

bool IsArray(uint32_t type) { return type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY; }

// Hashes are walked bucket by bucket under the bucket's lock, arrays by index: no key can come twice or be
// skipped. Tries are walked from key to key like anything else, so batches would gain little and lose that.
bool HasSafeBatch(uint32_t type) { return IsHash(type) || IsArray(type); }

// One pass by BPF_MAP_LOOKUP_BATCH.
int DumpByBatch(const MapView& map, MapEntries& entries) {
  const size_t key_size = map.info.key_size;
  // A position is a key for arrays, a bucket's 32-bit number for hashes.
  std::vector<uint8_t> position(std::max<size_t>(key_size, sizeof(uint32_t)));
  std::vector<uint8_t> next(position.size());
  uint32_t chunk = std::min(map.ChunkEntries(), std::max(map.info.max_entries, 1u));
  bool first = true;
  for (;;) {
    uint32_t count = chunk;
    entries.keys.resize((entries.count + size_t{chunk}) * key_size);
    entries.values.resize((entries.count + size_t{chunk}) * map.entry_size);
    const int result =
        bpf_map_lookup_batch(map.fd, first ? nullptr : position.data(), next.data(),
                             entries.keys.data() + entries.count * key_size,
                             entries.values.data() + entries.count * map.entry_size, &count, nullptr);
    const int error = result == 0 ? 0 : errno;
    if (error == ENOSPC) {
      // One bucket holds more than the chunk.
      if (chunk > map.info.max_entries) return error;
      chunk *= 2;
      continue;
    }
    if (error != 0 && error != ENOENT) return error;
    entries.count += count;
    if (error == ENOENT) break;
    position.swap(next);
    first = false;
  }
  entries.keys.resize(entries.count * key_size);
  entries.values.resize(entries.count * map.entry_size);
  return 0;
}

// One pass by BPF_MAP_GET_NEXT_KEY. When the key that it stands on is deleted, the kernel starts again from
// the first one.
int DumpByKey(const MapView& map, MapEntries& entries) {
  const size_t key_size = map.info.key_size;
  const uint64_t most_steps = 8 * (uint64_t{map.info.max_entries} + 8);
  std::unordered_set<std::string> seen;
  std::string key(key_size, '\0');
  std::string next(key_size, '\0');
  std::vector<uint8_t> value(map.entry_size);
  bool first = true;
  for (uint64_t step = 0; step < most_steps; step++) {
    if (bpf_map_get_next_key(map.fd, first ? nullptr : key.data(), next.data()) != 0) {
      return errno == ENOENT ? 0 : errno;
    }
    first = false;
    key.swap(next);
    if (seen.count(key) != 0) continue;
    if (bpf_map_lookup_elem(map.fd, key.data(), value.data()) != 0) {
      if (errno == ENOENT) continue;
      return errno;
    }
    seen.insert(key);
    entries.keys.insert(entries.keys.end(), key.begin(), key.end());
    entries.values.insert(entries.values.end(), value.begin(), value.end());
    entries.count++;
  }
  return EBUSY;
}

}  // namespace

int DumpMap(const MapView& map, MapEntries& entries) {
  if (map.info.key_size == 0) return EOPNOTSUPP;
  int error = EBUSY;
  for (int attempt = 0; attempt < kAttempts && (error == EBUSY || error == EINTR); attempt++) {
    entries = MapEntries();
    if (!HasSafeBatch(map.info.type)) {
      error = DumpByKey(map, entries);
      continue;
    }
    error = DumpByBatch(map, entries);
    if (!IsUnsupportedBatch(error)) continue;
    entries = MapEntries();
    error = DumpByKey(map, entries);
  }
  return error;
}

}  // namespace perigee
