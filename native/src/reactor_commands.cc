// SPDX-License-Identifier: Apache-2.0
// Commands come from JavaScript: every slot, offset and length is checked here.
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "reactor_engine.h"

namespace perigee {
namespace {

constexpr int kSendVectors = 64;
constexpr size_t kAddressBytes = 16;
constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// 0 if the address isn't of that family.
socklen_t FillAddress(sockaddr_storage& storage, const uint8_t* bytes, int family, uint16_t port) {
  if (family == 6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    memcpy(&address.sin6_addr, bytes, kAddressBytes);
    return sizeof(address);
  }
  if (family != 4 || memcmp(bytes, kMappedPrefix, sizeof(kMappedPrefix)) != 0) return 0;
  auto& address = reinterpret_cast<sockaddr_in&>(storage);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  memcpy(&address.sin_addr, bytes + sizeof(kMappedPrefix), 4);
  return sizeof(address);
}

bool IsOwned(const Slot* slot) {
  return slot != nullptr && slot->phase != SlotPhase::kDead && !slot->released;
}

}  // namespace

void ReactorEngine::RunCommands() {
  const int32_t count = std::clamp(memory_.control[kControlCommands], 0, memory_.command_records);
  for (int32_t i = 0; i < count;) {
    const int32_t* record = memory_.commands + i * kRecordStride;
    const auto command = static_cast<ReactorCommand>(record[0]);
    if (command == ReactorCommand::kSend) {
      i += RunSends(i, count - i);
    } else {
      RunCommand(command, record[1], record[2], record[3]);
      i++;
    }
  }
  memory_.control[kControlCommands] = 0;
  memory_.control[kControlOutboxUsed] = 0;
}

// Consecutive sends to one slot leave in one call, so that a head and its body share a segment. Returns how
// many records it took.
int32_t ReactorEngine::RunSends(int32_t first, int32_t count) {
  const int32_t* record = memory_.commands + first * kRecordStride;
  const int32_t id = record[1];
  const int64_t limit = static_cast<int64_t>(memory_.slab_bytes + memory_.outbox_bytes);
  iovec parts[kSendVectors];
  int used = 0;
  int32_t taken = 0;
  bool valid = true;
  for (; taken < count; taken++, record += kRecordStride) {
    if (static_cast<ReactorCommand>(record[0]) != ReactorCommand::kSend || record[1] != id) break;
    const int64_t offset = record[2];
    const int64_t length = record[3];
    if (offset < 0 || length < 0 || offset + length > limit) {
      valid = false;
      taken++;
      break;
    }
    if (length == 0) continue;
    uint8_t* bytes = memory_.bytes + offset;
    iovec* last = used > 0 ? &parts[used - 1] : nullptr;
    if (last != nullptr && static_cast<uint8_t*>(last->iov_base) + last->iov_len == bytes) {
      last->iov_len += static_cast<size_t>(length);
      continue;
    }
    if (used == kSendVectors) break;
    parts[used++] = {bytes, static_cast<size_t>(length)};
  }
  Slot* slot = slots_.Find(id);
  if (!IsOwned(slot)) return taken;
  if (!valid) {
    Fail(*slot, EFAULT);
  } else if (used > 0) {
    Write(*slot, parts, used);
  }
  return taken;
}

void ReactorEngine::RunCommand(ReactorCommand command, int32_t id, int32_t a, int32_t b) {
  if (command == ReactorCommand::kClose) return Release(id, false);
  if (command == ReactorCommand::kReset) return Release(id, true);
  Slot* slot = slots_.Find(id);
  if (!IsOwned(slot) || slot->relay != nullptr) return;
  switch (command) {
    case ReactorCommand::kShutdown:
      if (slot->fin_wanted) return;
      slot->fin_wanted = true;
      if (slot->phase == SlotPhase::kOpen && slot->queue.empty()) SendFin(*slot);
      return;
    case ReactorCommand::kPause:
      slot->paused = true;
      return;
    case ReactorCommand::kResume:
      slot->paused = false;
      UpdateInterest(*slot);
      return;
    case ReactorCommand::kConnect:
      return Connect(*slot, a, b);
    case ReactorCommand::kRelay: {
      Slot* other = slots_.Find(a);
      if (IsOwned(other) && other->relay == nullptr && other != slot) StartRelay(*slot, *other);
      return;
    }
    default:
      return;
  }
}

void ReactorEngine::Connect(Slot& slot, int32_t offset, int32_t target) {
  if (slot.phase != SlotPhase::kUnconnected) return;
  const size_t limit = memory_.slab_bytes + memory_.outbox_bytes - kAddressBytes;
  sockaddr_storage address = {};
  socklen_t size = 0;
  if (offset >= 0 && static_cast<size_t>(offset) <= limit && target >= 0) {
    size = FillAddress(address, memory_.bytes + offset, target >> 16, static_cast<uint16_t>(target & 0xffff));
  }
  int error = size == 0 ? EAFNOSUPPORT : 0;
  if (error == 0 && connect(slot.fd, reinterpret_cast<sockaddr*>(&address), size) != 0) error = errno;
  if (error == 0 || error == EINPROGRESS) {
    slot.phase = SlotPhase::kConnecting;
    UpdateInterest(slot);
    return;
  }
  Terminate(slot);
  Emit(ReactorEvent::kConnected, slot.id, error);
}

void ReactorEngine::Release(int32_t id, bool abort) {
  Slot* slot = slots_.Find(id);
  if (slot == nullptr || slot->released) return;
  if (slot->phase == SlotPhase::kDead) {
    slot->released = true;  // its end isn't delivered yet, and needn't be
    return;
  }
  Slot* other = slot->relay;
  slot->relay = nullptr;
  if (other != nullptr) other->relay = nullptr;
  for (Slot* one : {slot, other}) {
    if (one == nullptr) continue;
    if (abort) {
      Abort(*one);
    } else {
      BeginClose(*one);
    }
  }
}

}  // namespace perigee
