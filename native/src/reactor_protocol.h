// SPDX-License-Identifier: Apache-2.0
// What the reactor shares with src/datapath/reactor.ts: record layouts in arrays that both sides see. The
// numbers go to JavaScript through the addon (Reactor.protocol), so a test can hold both sides together.
#pragma once

#include <cstdint>

namespace perigee {

// Records of int32: {kind, slot, a, b} and {operation, slot, a, b}.
constexpr int32_t kRecordStride = 4;

// A slot is an index below, a generation above, 31 bits together. The generation is never 0.
constexpr int kSlotIndexBits = 20;
constexpr int32_t kSlotIndexMask = (1 << kSlotIndexBits) - 1;
constexpr int32_t kMaxGeneration = (1 << (31 - kSlotIndexBits)) - 1;

enum class ReactorEvent : int32_t {
  kAccepted = 1,
  kConnected = 2,
  kData = 3,
  kEnd = 4,
  kFailed = 5,
  kDrained = 6,
  kCongested = 7,
  kRelayEnded = 8,
};

enum class ReactorCommand : int32_t {
  kSend = 1,  // a = offset, b = length in slab and outbox, which are one piece of memory
  kShutdown = 2,
  kClose = 3,
  kReset = 4,
  kPause = 5,
  kResume = 6,
  kConnect = 7,  // a = offset of 16 address bytes, b = port | family << 16
  kRelay = 8,    // a = the other slot
};

// Words of the control array.
constexpr int kControlCommands = 0;    // records in the command array
constexpr int kControlOutboxUsed = 1;  // bytes
constexpr int kControlWords = 2;

// Columns of the slot table, by slot index.
constexpr int kTableStride = 4;
constexpr int kTableSlot = 0;  // the slot, 0 if none
constexpr int kTableFd = 1;
constexpr int kTableQueued = 2;  // bytes

// Words of the statistics array.
constexpr int kStatSockets = 0;
constexpr int kStatQueuedBytes = 1;
constexpr int kStatTurns = 2;
constexpr int kStatBatches = 3;
constexpr int kStatWords = 4;

}  // namespace perigee
