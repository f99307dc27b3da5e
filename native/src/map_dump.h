// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "map_view.h"

namespace perigee {

struct MapEntries {
  std::vector<uint8_t> keys;
  std::vector<uint8_t> values;
  uint32_t count = 0;
};

// Reads all entries, each key once, and returns 0 or an errno. While others write, entries that come or go
// may or may not be seen, those that stay are; EBUSY if changes came faster than they could be read, several
// times over.
int DumpMap(const MapView& map, MapEntries& entries);

}  // namespace perigee
