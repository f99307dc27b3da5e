// SPDX-License-Identifier: Apache-2.0
// Bulk between two sockets without JavaScript. Plain recv and send, not splice(2): it never returns on
// sockets that are in a sockmap. What the receiver doesn't take at once waits in its queue, and the sender
// isn't read meanwhile.
#include <sys/socket.h>

#include <cerrno>

#include "reactor_engine.h"

namespace perigee {
namespace {

// Reads of one socket in a round.
constexpr int kRelayReads = 4;

}  // namespace

void ReactorEngine::StartRelay(Slot& slot, Slot& other) {
  for (Slot* one : {&slot, &other}) {
    one->paused = false;
    one->blocked = false;
    one->congested = false;
    memory_.relayed[one->id & kSlotIndexMask] = 0;
  }
  slot.relay = &other;
  other.relay = &slot;
  for (Slot* one : {&slot, &other}) {
    if (one->write_error != 0) return EndRelay(*one, one->write_error);
    if (!one->ended) continue;
    one->relay->fin_wanted = true;
    if (one->relay->phase == SlotPhase::kOpen && one->relay->queue.empty()) SendFin(*one->relay);
  }
  if (EndRelayIfDone(slot)) return;
  if (UpdateInterest(slot)) UpdateInterest(other);
}

void ReactorEngine::OnRelaySocket(Slot& slot, uint32_t mask) {
  if ((mask & EPOLLOUT) != 0 && !slot.queue.empty() && !FlushQueue(slot)) return;
  if ((mask & ~EPOLLOUT) == 0) return;
  if (!slot.ended && slot.relay->queue.empty() && slot.relay->phase == SlotPhase::kOpen) {
    Carry(slot);
  } else if ((mask & (EPOLLERR | EPOLLHUP)) != 0) {
    OnHangUp(slot);
  } else {
    UpdateInterest(slot);
  }
}

void ReactorEngine::Carry(Slot& slot) {
  Slot& other = *slot.relay;
  for (int i = 0; i < kRelayReads; i++) {
    const ssize_t length = recv(slot.fd, scratch_.get(), kScratchBytes, MSG_DONTWAIT);
    if (length < 0) {
      if (errno != EAGAIN && errno != EINTR) EndRelay(slot, errno);
      return;
    }
    if (length == 0) {
      slot.ended = true;
      other.fin_wanted = true;
      SendFin(other);
      EndRelayIfDone(slot);
      return;
    }
    memory_.relayed[slot.id & kSlotIndexMask] += static_cast<double>(length);
    iovec part = {scratch_.get(), static_cast<size_t>(length)};
    if (!Write(other, &part, 1)) return;
    if (!other.queue.empty()) {
      UpdateInterest(slot);
      return;
    }
    if (static_cast<size_t>(length) < kScratchBytes) return;
  }
}

bool ReactorEngine::EndRelayIfDone(Slot& slot) {
  if (!slot.ended || !slot.fin_sent || !slot.relay->ended || !slot.relay->fin_sent) return false;
  EndRelay(slot, 0);
  return true;
}

// A failure of one side is a reset for the other: a FIN would say that the stream was complete.
void ReactorEngine::EndRelay(Slot& slot, int error) {
  Slot& other = *slot.relay;
  if (error != 0) SetHardLinger(other.fd);
  Terminate(slot);
  Terminate(other);
  Emit(ReactorEvent::kRelayEnded, slot.id, error, other.id);
}

}  // namespace perigee
