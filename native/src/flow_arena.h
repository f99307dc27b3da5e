// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace perigee {

// Memory of one ring of records, shared with its reader, which sets it up: src/core/port/flow-writer.ts says
// what is in it.
struct FlowMemory {
  uint8_t* bytes;
  size_t capacity;  // a multiple of 8
  size_t chunk_bytes;
  double* state;   // kStateWords
  double* chunks;  // `slots` rows of kChunkColumns
  size_t slots;
};

// Words of the state, FlowState there.
enum FlowState : size_t { kHead, kTail, kAppended, kEvicted, kNewestChunk, kStateWords };

// Columns of a chunk's row, FlowChunk there.
enum FlowChunk : size_t { kNumber, kFirst, kIndex, kChunkColumns };

// Writes raw records to such memory, over the oldest ones, a chunk of them at a time. An entry is u32 its
// size with this header and the padding, u32 unused, the record; none straddles the end of the memory.
class FlowArena {
 public:
  explicit FlowArena(const FlowMemory& memory);

  // Copies a record in and adds `wall`, ns, to its time. False if it is larger than the ring.
  bool Append(const uint8_t* record, size_t length, uint64_t wall);

  // Tells the reader what was appended.
  void Publish();

 private:
  void PassHead(size_t size);
  void Enter();
  void EvictBelow(uint64_t end);
  double* Row(uint64_t chunk) const;

  FlowMemory memory_;
  uint64_t chunks_per_round_;
  // Positions: bytes ever written. The offset of the head in the memory, and the round of that, are kept
  // beside it: remainders would cost more than the rest.
  uint64_t head_ = 0;
  uint64_t tail_ = 0;
  uint64_t round_ = 0;
  size_t head_offset_ = 0;
  uint64_t appended_ = 0;
  uint64_t evicted_ = 0;
  // The chunk that the newest entry starts in, and where its memory ends; 0: the next entry begins a chunk.
  uint64_t chunk_ = 0;
  size_t chunk_end_ = 0;
  // The chunk of the tail.
  uint64_t tail_chunk_ = 0;
};

}  // namespace perigee
