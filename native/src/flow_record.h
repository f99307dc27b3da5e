// SPDX-License-Identifier: Apache-2.0
// What has to be known of raw records, struct flow_record, to store them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace perigee {

// Length with the texts and the detail, without padding behind; 0 if `room` bytes don't hold all of it.
size_t RecordLength(const uint8_t* record, size_t room);

// Of a refused connection or request.
bool IsDenial(const uint8_t* record);

// Of an allowed request: nearly all of them are, and they are counted where they are judged.
bool IsAllowedRequest(const uint8_t* record);

void AddToTime(uint8_t* record, uint64_t ns);

}  // namespace perigee
