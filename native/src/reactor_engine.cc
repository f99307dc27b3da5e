// SPDX-License-Identifier: Apache-2.0
#include "reactor_engine.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <system_error>

namespace perigee {
namespace {

// One turn polls again as long as there is work, to save the way through the event loop, but lets timers and
// other descriptors have their share.
constexpr uint64_t kTurnBudgetNs = 1'000'000;

// Nothing follows such an event of a slot.
bool IsLast(ReactorEvent kind, int32_t a) {
  return kind == ReactorEvent::kFailed || kind == ReactorEvent::kRelayEnded ||
         (kind == ReactorEvent::kConnected && a != 0);
}

uint64_t MonotonicNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

}  // namespace

uint64_t MonotonicMs() { return MonotonicNs() / 1'000'000; }

int TakeSocketError(int fd) {
  int error = 0;
  socklen_t size = sizeof(error);
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

void SetHardLinger(int fd) {
  const linger hard = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
}

ReactorEngine::ReactorEngine(const ReactorLimits& limits, const ReactorMemory& memory)
    : limits_(limits),
      memory_(memory),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      slots_(limits.sockets, memory.table),
      ready_(limits.turn_sockets),
      scratch_(new uint8_t[kScratchBytes]) {
  if (!epoll_.valid()) throw std::system_error(errno, std::generic_category(), "epoll_create1");
}

ReactorEngine::~ReactorEngine() { Close(); }

void ReactorEngine::Close() {
  if (closed_) return;
  closed_ = true;
  slots_.ForEach([this](Slot& slot) {
    if (slot.fd >= 0) Terminate(slot);
    slot.phase = SlotPhase::kDead;
  });
  listeners_.clear();
  pending_.clear();
  lingering_.clear();
  stalled_.clear();
  accept_resume_ms_ = 0;
  epoll_.reset();
  PublishStats();
}

void ReactorEngine::Turn(BatchHandler& handler) {
  if (closed_ || in_turn_) return;
  in_turn_ = true;
  const uint64_t until = MonotonicNs() + kTurnBudgetNs;
  for (;;) {
    const int ready = Collect();
    memory_.stats[kStatTurns] += 1;
    if (event_count_ > 0) {
      memory_.stats[kStatBatches] += 1;
      handler.OnBatch(event_count_);
      if (closed_) break;
    }
    RunCommands();
    ReleaseDead();
    if (ready == 0 && pending_.empty()) break;
    if (MonotonicNs() >= until) break;
  }
  in_turn_ = false;
}

void ReactorEngine::Flush() {
  if (closed_) return;
  RunCommands();
  if (!in_turn_) ReleaseDead();
}

int ReactorEngine::Collect() {
  event_count_ = 0;
  accepted_ = 0;
  slab_used_ = 0;
  collecting_ = true;
  DeliverPending();
  const int room = std::min<int>(EventRoom() / kEventsPerSocket, static_cast<int>(ready_.size()));
  const int count = room > 0 ? std::max(epoll_wait(epoll_.get(), ready_.data(), room, 0), 0) : 0;
  for (int i = 0; i < count; i++) {
    // What isn't looked at now is reported again: all registrations are level-triggered.
    if (EventRoom() < kEventsPerSocket) break;
    const epoll_event& event = ready_[i];
    if ((event.data.u64 & kListenerBit) != 0) {
      Accept(static_cast<size_t>(event.data.u64 & ~kListenerBit));
      continue;
    }
    Slot* slot = slots_.Find(static_cast<int32_t>(event.data.u64));
    if (slot != nullptr && slot->phase != SlotPhase::kDead) OnSocket(*slot, event.events);
  }
  collecting_ = false;
  return count;
}

void ReactorEngine::Emit(ReactorEvent kind, int32_t slot, int32_t a, int32_t b) {
  const Event event = {kind, slot, a, b};
  if (collecting_ && EventRoom() > 0 && pending_.empty()) {
    Deliver(event);
  } else {
    pending_.push_back(event);
  }
}

void ReactorEngine::DeliverPending() {
  while (!pending_.empty() && EventRoom() > 0) {
    const Event event = pending_.front();
    pending_.pop_front();
    Deliver(event);
  }
}

void ReactorEngine::Deliver(const Event& event) {
  Slot* slot = slots_.Find(event.slot);
  if (slot == nullptr) return;
  bool silent = slot->released;
  if (slot->phase == SlotPhase::kDead) {
    if (!IsLast(event.kind, event.a)) return;
    dead_.push_back(slot);
    if (slot->relay != nullptr) {
      dead_.push_back(slot->relay);
      silent = silent || slot->relay->released;
    }
  }
  if (silent) return;
  int32_t* record = memory_.events + event_count_++ * kRecordStride;
  record[0] = static_cast<int32_t>(event.kind);
  record[1] = event.slot;
  record[2] = event.a;
  record[3] = event.b;
}

void ReactorEngine::ReleaseDead() {
  for (Slot* slot : dead_) {
    if (slot->phase == SlotPhase::kDead) slots_.Free(*slot);
  }
  dead_.clear();
}

void ReactorEngine::OnSocket(Slot& slot, uint32_t mask) {
  if (slot.phase == SlotPhase::kConnecting) {
    FinishConnect(slot);
    return;
  }
  if (slot.released) return OnReleasedSocket(slot, mask);
  if (slot.relay != nullptr) return OnRelaySocket(slot, mask);
  if ((mask & EPOLLOUT) != 0 && !slot.queue.empty() && !FlushQueue(slot)) return;
  if ((mask & ~EPOLLOUT) == 0) return;
  if (!slot.paused && !slot.ended) {
    Read(slot, mask);
  } else if ((mask & (EPOLLERR | EPOLLHUP)) != 0) {
    OnHangUp(slot);
  } else {
    UpdateInterest(
        slot);  // pause() and the peer's FIN leave this to the first event that isn't wanted any more
  }
}

void ReactorEngine::Read(Slot& slot, uint32_t mask) {
  if (memory_.slab_bytes - slab_used_ < limits_.read_bytes) return;
  const ssize_t length = recv(slot.fd, memory_.bytes + slab_used_, limits_.read_bytes, MSG_DONTWAIT);
  if (length > 0) {
    Emit(ReactorEvent::kData, slot.id, static_cast<int32_t>(slab_used_), static_cast<int32_t>(length));
    // Packed on cache lines: small requests of a turn share few pages.
    slab_used_ = (slab_used_ + static_cast<size_t>(length) + 63) & ~size_t{63};
  } else if (length == 0) {
    slot.ended = true;
    if (slot.write_error != 0) return Fail(slot, slot.write_error);
    Emit(ReactorEvent::kEnd, slot.id);
  } else if (errno == EAGAIN || errno == EINTR) {
    // Nothing to read and no error in the socket, so in its error queue, which nobody asked for.
    if ((mask & EPOLLERR) != 0) Fail(slot, EIO);
  } else {
    Fail(slot, slot.write_error != 0 ? slot.write_error : errno);
  }
}

// EPOLLERR and EPOLLHUP are reported whether wanted or not, so a socket that isn't read must leave epoll.
void ReactorEngine::OnHangUp(Slot& slot) {
  const int error = TakeSocketError(slot.fd);
  if (error != 0 || slot.write_error != 0) return Fail(slot, error != 0 ? error : slot.write_error);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, slot.fd, nullptr);
  slot.registered = false;
  UpdateInterest(slot);
}

void ReactorEngine::PublishStats() {
  memory_.stats[kStatSockets] = static_cast<double>(open_sockets_);
  memory_.stats[kStatQueuedBytes] = static_cast<double>(pool_.queued_bytes);
}

}  // namespace perigee
