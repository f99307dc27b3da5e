// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "fault.h"
#include "map_view.h"

namespace perigee {

struct BatchResult {
  // Entries written or deleted before the error, all if there is none.
  uint32_t done = 0;
  int error = 0;
};

BatchResult UpdateEntries(const MapView& map, const uint8_t* keys, const uint8_t* values, uint32_t count);

// Missing keys are passed over and not counted.
BatchResult DeleteEntries(const MapView& map, const uint8_t* keys, uint32_t count);

Fault BatchFault(const BatchResult& result, const char* operation, const std::string& name);

}  // namespace perigee
