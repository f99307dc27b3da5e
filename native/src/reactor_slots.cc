// SPDX-License-Identifier: Apache-2.0
#include "reactor_slots.h"

namespace perigee {
namespace {

int32_t NextGeneration(int32_t id) {
  const int32_t generation = id >> kSlotIndexBits;
  return generation == kMaxGeneration ? 1 : generation + 1;
}

}  // namespace

Slot* SlotTable::Allocate(int fd, SlotPhase phase) {
  if (full()) return nullptr;
  int32_t index;
  if (slots_.size() < capacity_ && free_.size() < kResting) {
    index = static_cast<int32_t>(slots_.size());
    slots_.push_back(std::make_unique<Slot>());
    slots_.back()->id = index;
  } else {
    index = free_.front();
    free_.pop_front();
  }
  Slot& slot = *slots_[index];
  const int32_t id = index | NextGeneration(slot.id) << kSlotIndexBits;
  slot = Slot();
  slot.id = id;
  slot.fd = fd;
  slot.phase = phase;
  used_++;
  Publish(slot);
  return &slot;
}

void SlotTable::Free(Slot& slot) {
  const int32_t index = slot.id & kSlotIndexMask;
  slot.phase = SlotPhase::kFree;
  slot.relay = nullptr;
  used_--;
  view_[index * kTableStride + kTableSlot] = 0;
  free_.push_back(index);
}

Slot* SlotTable::Find(int32_t id) const {
  if (id <= 0) return nullptr;
  const size_t index = static_cast<size_t>(id & kSlotIndexMask);
  if (index >= slots_.size()) return nullptr;
  Slot* slot = slots_[index].get();
  return slot->id == id && slot->phase != SlotPhase::kFree ? slot : nullptr;
}

void SlotTable::Publish(const Slot& slot) {
  int32_t* row = view_ + (slot.id & kSlotIndexMask) * kTableStride;
  row[kTableSlot] = slot.id;
  row[kTableFd] = slot.fd;
  row[kTableQueued] = static_cast<int32_t>(slot.queue.size());
}

}  // namespace perigee
