// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include <cerrno>

#include "reactor_engine.h"

namespace perigee {
namespace {

constexpr int kFlushVectors = 32;

ssize_t SendVectors(int fd, iovec* parts, int count) {
  if (count == 1) return send(fd, parts->iov_base, parts->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
  msghdr message = {};
  message.msg_iov = parts;
  message.msg_iovlen = static_cast<size_t>(count);
  return sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

// The bytes may be gone when this returns, so what the kernel doesn't take is copied.
bool ReactorEngine::Write(Slot& slot, iovec* parts, int count) {
  if (slot.fin_wanted || slot.write_error != 0) return true;
  size_t sent = 0;
  if (slot.phase == SlotPhase::kOpen && slot.queue.empty()) {
    const ssize_t result = SendVectors(slot.fd, parts, count);
    if (result < 0 && errno != EAGAIN && errno != EINTR) return OnWriteError(slot, errno);
    sent = result < 0 ? 0 : static_cast<size_t>(result);
  }
  for (int i = 0; i < count; i++) {
    if (sent >= parts[i].iov_len) {
      sent -= parts[i].iov_len;
      continue;
    }
    const size_t rest = parts[i].iov_len - sent;
    // A relay holds one read at most.
    const bool fits = slot.relay != nullptr || slot.queue.size() + rest <= limits_.queue_bytes;
    if (!fits || !slot.queue.Append(pool_, static_cast<uint8_t*>(parts[i].iov_base) + sent, rest)) {
      Fail(slot, fits ? ENOMEM : ENOBUFS);
      return false;
    }
    sent = 0;
  }
  if (slot.queue.empty()) return true;
  slots_.Publish(slot);
  PublishStats();
  if (slot.phase == SlotPhase::kOpen) slot.blocked = true;
  if (slot.queue.size() > limits_.high_water && !slot.congested && slot.relay == nullptr) {
    slot.congested = true;
    Emit(ReactorEvent::kCongested, slot.id, static_cast<int32_t>(slot.queue.size()));
  }
  return UpdateInterest(slot);
}

bool ReactorEngine::FlushQueue(Slot& slot) {
  while (!slot.queue.empty()) {
    iovec parts[kFlushVectors];
    const int count = slot.queue.Front(parts, kFlushVectors);
    size_t offered = 0;
    for (int i = 0; i < count; i++) offered += parts[i].iov_len;
    const ssize_t sent = SendVectors(slot.fd, parts, count);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) return OnWriteError(slot, errno);
    if (sent <= 0) break;
    slot.queue.Consume(pool_, static_cast<size_t>(sent));
    slot.progressed = true;
    if (static_cast<size_t>(sent) < offered) break;
  }
  slots_.Publish(slot);
  PublishStats();
  if (!slot.queue.empty()) return UpdateInterest(slot);
  if (slot.fin_wanted) SendFin(slot);
  if (slot.released) return BeginLinger(slot);
  if (slot.relay != nullptr) {
    // The other end was held while this queue was full.
    return !EndRelayIfDone(slot) && UpdateInterest(*slot.relay) && UpdateInterest(slot);
  }
  if (slot.blocked || slot.congested) Emit(ReactorEvent::kDrained, slot.id);
  slot.blocked = false;
  slot.congested = false;
  return UpdateInterest(slot);
}

// A server may answer and reset before it has read everything: its answer is still to be read. The failure is
// reported behind it.
bool ReactorEngine::OnWriteError(Slot& slot, int error) {
  const bool reset = error == EPIPE || error == ECONNRESET;
  if (!reset || slot.ended || slot.paused || slot.released || slot.relay != nullptr) {
    Fail(slot, error);
    return false;
  }
  slot.write_error = error;
  slot.queue.Clear(pool_);
  slots_.Publish(slot);
  PublishStats();
  return UpdateInterest(slot);
}

void ReactorEngine::SendFin(Slot& slot) {
  if (slot.fin_sent) return;
  slot.fin_sent = true;
  shutdown(slot.fd, SHUT_WR);  // if it fails, the error is in the socket and epoll reports it
}

}  // namespace perigee
