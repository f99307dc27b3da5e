// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "reactor_protocol.h"
#include "reactor_queue.h"

namespace perigee {

enum class SlotPhase : uint8_t {
  kFree,
  kUnconnected,
  kConnecting,
  kOpen,
  kDead,  // its socket is closed; the event that says so isn't delivered yet
};

struct Slot {
  int32_t id = 0;
  int fd = -1;
  SlotPhase phase = SlotPhase::kFree;
  bool registered = false;  // with epoll, for `interest`
  bool paused = false;
  bool ended = false;       // the peer's FIN was read
  bool fin_wanted = false;  // shutdown() was called; follows the queue
  bool fin_sent = false;
  bool blocked = false;     // a send didn't fit since the queue was last empty
  bool congested = false;   // `congested` was reported since the queue was last empty
  bool released = false;    // the owner closed it; nothing more is reported
  bool lingering = false;   // released, all sent, waits for the peer's FIN
  bool progressed = false;  // released, and some output left since the last look
  uint32_t interest = 0;
  int write_error = 0;    // output failed, but there may be input left to read
  Slot* relay = nullptr;  // the other end
  uint64_t deadline_ms = 0;
  OutQueue queue;
};

// Slots by index, with the view of them that JavaScript has.
class SlotTable {
 public:
  SlotTable(size_t capacity, int32_t* view) : capacity_(capacity), view_(view) {}

  bool full() const { return used_ == capacity_; }
  // nullptr if full.
  Slot* Allocate(int fd, SlotPhase phase);
  // Closes nothing: fd and queue are gone already.
  void Free(Slot& slot);
  // nullptr if that generation is gone.
  Slot* Find(int32_t id) const;
  // Refreshes the columns of the view.
  void Publish(const Slot& slot);

  template <typename Visit>
  void ForEach(Visit visit) {
    for (auto& slot : slots_) {
      if (slot->phase != SlotPhase::kFree) visit(*slot);
    }
  }

 private:
  // An index rests while fewer than this many are free, so that generations come round slowly.
  static constexpr size_t kResting = 1024;

  size_t capacity_;
  int32_t* view_;
  size_t used_ = 0;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<int32_t> free_;
};

}  // namespace perigee
