// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "reactor_engine.h"

namespace perigee {
namespace {

// Connections taken from one listener in a round: established ones aren't to wait for a flood of new ones.
constexpr int kAcceptBatch = 16;
constexpr uint64_t kBackOffMs = 50;

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

int ReactorEngine::Listen(int fd, int32_t tag) {
  if (closed_) return -EBADF;
  int listening = 0;
  socklen_t size = sizeof(listening);
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) return -errno;
  if (listening == 0) return -EINVAL;
  // The wake-up may come to more than one worker: accept must not wait.
  if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0) return -errno;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // accepted sockets inherit it
  size_t index = 0;
  while (index < listeners_.size() && listeners_[index].fd >= 0) {
    if (listeners_[index].fd == fd) return -EEXIST;
    index++;
  }
  if (index == listeners_.size()) listeners_.emplace_back();
  listeners_[index] = {fd, tag, false};
  if (accept_resume_ms_ != 0) return 0;
  const int error = ArmListener(index);
  if (error != 0) listeners_[index] = {};
  return error;
}

int ReactorEngine::Unlisten(int fd) {
  for (Listener& listener : listeners_) {
    if (listener.fd != fd || fd < 0) continue;
    if (listener.armed) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
    listener = {};
    return 0;
  }
  return -ENOENT;
}

int ReactorEngine::ArmListener(size_t index) {
  Listener& listener = listeners_[index];
  if (listener.fd < 0 || listener.armed) return 0;
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLEXCLUSIVE;
  event.data.u64 = kListenerBit | index;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener.fd, &event) != 0) return -errno;
  listener.armed = true;
  return 0;
}

// Out of descriptors, memory or slots: connections wait in the backlog meanwhile.
void ReactorEngine::SuspendAccepting() {
  for (Listener& listener : listeners_) {
    if (listener.armed) epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.fd, nullptr);
    listener.armed = false;
  }
  accept_resume_ms_ = MonotonicMs() + kBackOffMs;
}

void ReactorEngine::Accept(size_t index) {
  for (int i = 0; i < kAcceptBatch && EventRoom() >= kEventsPerSocket; i++) {
    Listener& listener = listeners_[index];
    if (!listener.armed || accepted_ == limits_.turn_accepts) return;
    if (slots_.full()) return SuspendAccepting();
    const int fd = accept4(listener.fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      if (errno == ECONNABORTED || errno == EINTR) continue;
      if (IsShortage(errno)) return SuspendAccepting();
      if (errno == EAGAIN) return;
      // It stopped listening behind our back; it would be reported for ever.
      epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.fd, nullptr);
      listener = {};
      return;
    }
    Slot* slot = slots_.Allocate(fd, SlotPhase::kOpen);
    open_sockets_++;
    accepted_++;
    if (Register(*slot) != 0) {
      Drop(*slot);
      return SuspendAccepting();
    }
    PublishStats();
    Emit(ReactorEvent::kAccepted, slot->id, listener.tag, fd);
  }
}

}  // namespace perigee
