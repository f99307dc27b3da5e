// SPDX-License-Identifier: Apache-2.0
#include "flow_record.h"

#include <linux/types.h>

#include <cstddef>
#include <cstring>

// The layout's asserts are C's.
#define _Static_assert static_assert
#include "abi/flow.h"
#include "abi/policy.h"

namespace perigee {
namespace {

// A field of a record at any address.
#define FIELD(record, name) Read<decltype(flow_record::name)>(record, offsetof(flow_record, name))

template <typename Field>
Field Read(const uint8_t* record, size_t offset) {
  Field field;
  std::memcpy(&field, record + offset, sizeof(field));
  return field;
}

}  // namespace

size_t RecordLength(const uint8_t* record, size_t room) {
  if (room < sizeof(flow_record)) return 0;
  const uint32_t detail = FIELD(record, detail_length);
  if (detail > sizeof(flow_detail)) return 0;
  const size_t length = sizeof(flow_record) + FIELD(record, method_length) + FIELD(record, path_length) +
                        FIELD(record, host_length) + detail;
  return length <= room ? length : 0;
}

bool IsDenial(const uint8_t* record) { return FIELD(record, verdict) == VERDICT_DENIED; }

bool IsAllowedRequest(const uint8_t* record) {
  return FIELD(record, kind) == FLOW_REQUEST && FIELD(record, verdict) == VERDICT_ALLOWED;
}

void AddToTime(uint8_t* record, uint64_t ns) {
  const uint64_t time = FIELD(record, time) + ns;
  std::memcpy(record + offsetof(flow_record, time), &time, sizeof(time));
}

}  // namespace perigee
