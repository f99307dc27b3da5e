// SPDX-License-Identifier: Apache-2.0
#include "map_batch.h"

#include <bpf/bpf.h>

namespace perigee {
namespace {

BatchResult UpdateEach(const MapView& map, const uint8_t* keys, const uint8_t* values, uint32_t count) {
  BatchResult result;
  for (; result.done < count; result.done++) {
    const uint8_t* key = keys + size_t{result.done} * map.info.key_size;
    const uint8_t* value = values + size_t{result.done} * map.entry_size;
    if (bpf_map_update_elem(map.fd, key, value, BPF_ANY) != 0) {
      result.error = errno;
      break;
    }
  }
  return result;
}

BatchResult DeleteEach(const MapView& map, const uint8_t* keys, uint32_t count) {
  BatchResult result;
  for (uint32_t i = 0; i < count; i++) {
    if (bpf_map_delete_elem(map.fd, keys + size_t{i} * map.info.key_size) == 0) {
      result.done++;
    } else if (errno != ENOENT) {
      result.error = errno;
      break;
    }
  }
  return result;
}

// How far a failed batch came. The kernel leaves the count alone when it fails before the first entry, and
// never fails after the last.
uint32_t Progress(uint32_t asked, uint32_t reported) { return reported < asked ? reported : 0; }

}  // namespace

BatchResult UpdateEntries(const MapView& map, const uint8_t* keys, const uint8_t* values, uint32_t count) {
  BatchResult result;
  while (result.done < count) {
    const uint8_t* key = keys + size_t{result.done} * map.info.key_size;
    const uint8_t* value = values + size_t{result.done} * map.entry_size;
    const uint32_t asked = std::min(map.ChunkEntries(), count - result.done);
    uint32_t chunk = asked;
    if (bpf_map_update_batch(map.fd, key, value, &chunk, nullptr) == 0) {
      result.done += chunk;
      continue;
    }
    const int error = errno;
    if (result.done == 0 && IsUnsupportedBatch(error)) return UpdateEach(map, keys, values, count);
    result.done += Progress(asked, chunk);
    result.error = error;
    break;
  }
  return result;
}

BatchResult DeleteEntries(const MapView& map, const uint8_t* keys, uint32_t count) {
  BatchResult result;
  uint32_t at = 0;
  while (at < count) {
    const uint32_t asked = std::min(map.ChunkEntries(), count - at);
    uint32_t chunk = asked;
    if (bpf_map_delete_batch(map.fd, keys + size_t{at} * map.info.key_size, &chunk, nullptr) == 0) {
      result.done += chunk;
      at += chunk;
      continue;
    }
    const int error = errno;
    if (at == 0 && IsUnsupportedBatch(error)) return DeleteEach(map, keys, count);
    result.done += Progress(asked, chunk);
    at += Progress(asked, chunk);
    if (error != ENOENT) {
      result.error = error;
      break;
    }
    at++;  // the missing one
  }
  return result;
}

Fault BatchFault(const BatchResult& result, const char* operation, const std::string& name) {
  Fault fault;
  fault.code = "ERR_BPF_MAP";
  fault.error = result.error;
  fault.operation = operation;
  fault.object = name;
  fault.reason = "after " + std::to_string(result.done) + " entries";
  fault.done = result.done;
  return fault;
}

}  // namespace perigee
