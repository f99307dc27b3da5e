// SPDX-License-Identifier: Apache-2.0
#include "flow_arena.h"

#include <cstring>

#include "flow_record.h"

namespace perigee {
namespace {

constexpr size_t kEntryHeader = 8;
constexpr size_t kAlignment = 8;

// Size of the filler that closes a round where the next entry does not fit.
constexpr uint32_t kFiller = 0x80000000;

constexpr size_t Padded(size_t length) { return (length + kEntryHeader + kAlignment - 1) & -kAlignment; }

void WriteSize(uint8_t* entry, uint32_t size) { std::memcpy(entry, &size, sizeof(size)); }

}  // namespace

FlowArena::FlowArena(const FlowMemory& memory)
    : memory_(memory), chunks_per_round_((memory.capacity + memory.chunk_bytes - 1) / memory.chunk_bytes) {}

bool FlowArena::Append(const uint8_t* record, size_t length, uint64_t wall) {
  const size_t size = Padded(length);
  if (size > memory_.capacity) return false;
  const size_t room = memory_.capacity - head_offset_;
  if (room < size) {
    WriteSize(memory_.bytes + head_offset_, kFiller + static_cast<uint32_t>(room));
    PassHead(room);
  }
  EvictBelow(head_ + size);
  if (head_offset_ >= chunk_end_) Enter();
  if (appended_ == evicted_) {
    tail_ = head_;
    tail_chunk_ = chunk_;
  }
  uint8_t* entry = memory_.bytes + head_offset_;
  WriteSize(entry, static_cast<uint32_t>(size));
  uint8_t* copy = entry + kEntryHeader;
  std::memcpy(copy, record, length);
  AddToTime(copy, wall);
  PassHead(size);
  appended_++;
  return true;
}

void FlowArena::PassHead(size_t size) {
  head_ += size;
  head_offset_ += size;
  if (head_offset_ < memory_.capacity) return;
  head_offset_ = 0;
  chunk_end_ = 0;
  round_++;
}

// Begins the chunk of the entry that comes to the head.
void FlowArena::Enter() {
  const size_t in_round = head_offset_ / memory_.chunk_bytes;
  chunk_ = round_ * chunks_per_round_ + in_round;
  chunk_end_ = (in_round + 1) * memory_.chunk_bytes;
  double* row = Row(chunk_);
  row[kNumber] = static_cast<double>(chunk_);
  row[kFirst] = static_cast<double>(head_);
  row[kIndex] = static_cast<double>(appended_);
}

double* FlowArena::Row(uint64_t chunk) const {
  return memory_.chunks + chunk % memory_.slots * kChunkColumns;
}

// Gives up the oldest chunks until the memory below the position `end` is free to be written.
void FlowArena::EvictBelow(uint64_t end) {
  while (tail_ + memory_.capacity < end && evicted_ < appended_) {
    uint64_t next = tail_chunk_ + 1;
    while (next <= chunk_ && Row(next)[kNumber] != static_cast<double>(next)) next++;
    if (next > chunk_) {
      evicted_ = appended_;
      return;
    }
    tail_chunk_ = next;
    tail_ = static_cast<uint64_t>(Row(next)[kFirst]);
    evicted_ = static_cast<uint64_t>(Row(next)[kIndex]);
  }
}

void FlowArena::Publish() {
  if (appended_ == 0) return;
  memory_.state[kHead] = static_cast<double>(head_);
  memory_.state[kTail] = static_cast<double>(tail_);
  memory_.state[kAppended] = static_cast<double>(appended_);
  memory_.state[kEvicted] = static_cast<double>(evicted_);
  memory_.state[kNewestChunk] = static_cast<double>(chunk_);
}

}  // namespace perigee
