// SPDX-License-Identifier: Apache-2.0
// Life of a socket: adoption, registration, failure, close.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "reactor_engine.h"

namespace perigee {
namespace {

int PhaseOfTcp(uint8_t state, SlotPhase& phase) {
  if (state == TCP_LISTEN) return -EPROTOTYPE;
  const bool unconnected = state == TCP_CLOSE;
  const bool connecting = state == TCP_SYN_SENT || state == TCP_SYN_RECV;
  phase = unconnected ? SlotPhase::kUnconnected : connecting ? SlotPhase::kConnecting : SlotPhase::kOpen;
  return 0;
}

// Stream sockets of any family will do; TCP tells all in one call.
int FindPhase(int fd, SlotPhase& phase) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) return PhaseOfTcp(info.tcpi_state, phase);
  int type = 0;
  size = sizeof(type);
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return -errno;
  sockaddr_storage peer;
  size = sizeof(peer);
  const bool open = getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0;
  if (type != SOCK_STREAM || !open) return -EPROTOTYPE;
  phase = SlotPhase::kOpen;
  return 0;
}

int SetNonBlocking(int fd) {
  const int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return -errno;
  return (flags & O_NONBLOCK) != 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 ? 0 : -errno;
}

}  // namespace

int32_t ReactorEngine::Adopt(int fd) {
  if (closed_) return -EBADF;
  SlotPhase phase = SlotPhase::kUnconnected;
  int error = FindPhase(fd, phase);
  if (error == 0) error = SetNonBlocking(fd);
  if (error != 0) return error;
  Slot* slot = slots_.Allocate(fd, phase);
  if (slot == nullptr) return -ENOSPC;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // fails on other than TCP: no matter
  error = Register(*slot);
  if (error != 0) {
    slots_.Free(*slot);
    return error;
  }
  open_sockets_++;
  PublishStats();
  return slot->id;
}

int ReactorEngine::Register(Slot& slot) {
  const uint32_t want = Interest(slot);
  if (slot.registered ? want == slot.interest : want == 0) return 0;
  epoll_event event = {};
  event.events = want;
  event.data.u64 = static_cast<uint64_t>(slot.id);
  if (epoll_ctl(epoll_.get(), slot.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, slot.fd, &event) != 0) {
    return -errno;
  }
  slot.registered = true;
  slot.interest = want;
  return 0;
}

uint32_t ReactorEngine::Interest(const Slot& slot) const {
  if (slot.phase == SlotPhase::kConnecting) return EPOLLOUT;
  if (slot.phase != SlotPhase::kOpen) return 0;
  const bool held = slot.paused || (slot.relay != nullptr && !slot.relay->queue.empty());
  const uint32_t in = slot.ended || held ? 0 : static_cast<uint32_t>(EPOLLIN);
  return in | (slot.queue.empty() ? 0 : static_cast<uint32_t>(EPOLLOUT));
}

bool ReactorEngine::UpdateInterest(Slot& slot) {
  const int result = Register(slot);
  if (result != 0) Fail(slot, -result);
  return result == 0;
}

void ReactorEngine::FinishConnect(Slot& slot) {
  const int error = TakeSocketError(slot.fd);
  if (slot.released && error != 0) return Drop(slot);
  if (error != 0) {
    if (slot.relay != nullptr) return EndRelay(slot, error);
    Terminate(slot);
    return Emit(ReactorEvent::kConnected, slot.id, error);
  }
  slot.phase = SlotPhase::kOpen;
  if (!slot.released && slot.relay == nullptr) Emit(ReactorEvent::kConnected, slot.id);
  if (slot.queue.empty() && !slot.fin_wanted && !slot.released) {
    UpdateInterest(slot);
  } else {
    FlushQueue(slot);
  }
}

// Closes the socket; the slot stays until its end is reported or dropped.
void ReactorEngine::Terminate(Slot& slot) {
  close(slot.fd);
  slot.fd = -1;
  slot.phase = SlotPhase::kDead;
  slot.registered = false;
  slot.queue.Clear(pool_);
  open_sockets_--;
  slots_.Publish(slot);
  PublishStats();
}

void ReactorEngine::Fail(Slot& slot, int error) {
  if (slot.released) return Drop(slot);
  if (slot.relay != nullptr) return EndRelay(slot, error);
  Terminate(slot);
  Emit(ReactorEvent::kFailed, slot.id, error);
}

void ReactorEngine::Drop(Slot& slot) {
  Terminate(slot);
  slots_.Free(slot);
}

void ReactorEngine::Abort(Slot& slot) {
  SetHardLinger(slot.fd);
  Drop(slot);
}

// Flush, FIN, drain, close: closing with unread input, or before more arrives, would send a RST, and that may
// cost the peer what it hasn't read yet.
void ReactorEngine::BeginClose(Slot& slot) {
  slot.released = true;
  slot.paused = false;
  if (slot.phase == SlotPhase::kUnconnected || slot.write_error != 0) return Drop(slot);
  if (slot.queue.empty()) {
    if (slot.phase == SlotPhase::kConnecting) return Drop(slot);
    BeginLinger(slot);
    return;
  }
  stalled_.push_back({slot.id, MonotonicMs() + limits_.stall_ms});
  slot.deadline_ms = stalled_.back().at_ms;
  UpdateInterest(slot);
}

bool ReactorEngine::BeginLinger(Slot& slot) {
  if (slot.ended) {
    Drop(slot);  // all was read: close() sends the FIN
    return false;
  }
  SendFin(slot);
  slot.lingering = true;
  lingering_.push_back({slot.id, MonotonicMs() + limits_.linger_ms});
  slot.deadline_ms = lingering_.back().at_ms;
  return UpdateInterest(slot);
}

void ReactorEngine::OnReleasedSocket(Slot& slot, uint32_t mask) {
  if ((mask & EPOLLOUT) != 0 && !slot.queue.empty() && !FlushQueue(slot)) return;
  if ((mask & ~EPOLLOUT) == 0) return;
  if (slot.ended) {
    if ((mask & (EPOLLERR | EPOLLHUP)) != 0) Drop(slot);
    return;
  }
  const ssize_t length = recv(slot.fd, scratch_.get(), kScratchBytes, MSG_DONTWAIT);
  if (length > 0) return;
  if (length < 0) {
    if (errno != EAGAIN && errno != EINTR) Drop(slot);
    return;
  }
  slot.ended = true;
  if (slot.lingering) return Drop(slot);
  UpdateInterest(slot);
}

void ReactorEngine::Housekeep() {
  if (closed_) return;
  const uint64_t now = MonotonicMs();
  // A slot's own deadline decides: the generation in an old entry may have come round.
  while (!lingering_.empty() && lingering_.front().at_ms <= now) {
    Slot* slot = slots_.Find(lingering_.front().slot);
    lingering_.pop_front();
    if (slot != nullptr && slot->lingering && slot->deadline_ms <= now) Drop(*slot);
  }
  while (!stalled_.empty() && stalled_.front().at_ms <= now) {
    Slot* slot = slots_.Find(stalled_.front().slot);
    stalled_.pop_front();
    if (slot == nullptr || !slot->released || slot->lingering || slot->deadline_ms > now) continue;
    if (!slot->progressed) {
      Abort(*slot);
      continue;
    }
    slot->progressed = false;
    slot->deadline_ms = now + limits_.stall_ms;
    stalled_.push_back({slot->id, slot->deadline_ms});
  }
  if (accept_resume_ms_ != 0 && accept_resume_ms_ <= now) {
    accept_resume_ms_ = 0;
    for (size_t i = 0; i < listeners_.size(); i++) ArmListener(i);
  }
}

}  // namespace perigee
