// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include "unique_fd.h"

namespace perigee {

// Puts this thread into a network namespace while it lives. A thread that couldn't come back would open its
// next sockets in a stranger's network, so the process is ended then.
//
// Keep the scope around the one system call that needs it: no JavaScript may run inside.
class NetnsScope {
 public:
  // A negative descriptor means: stay. Throws ERR_NETNS.
  NetnsScope(Napi::Env env, int netns_fd);
  ~NetnsScope();
  NetnsScope(const NetnsScope&) = delete;
  NetnsScope& operator=(const NetnsScope&) = delete;

 private:
  // -1 if the thread didn't move.
  int home_ = -1;
};

// A descriptor, or null for this thread's own namespace.
int NetnsArgument(const Napi::Value& value);

// A close-on-exec socket made in a namespace. Throws ERR_SOCKET.
UniqueFd SocketIn(Napi::Env env, int netns_fd, int family, int type, int protocol);

// SO_NETNS_COOKIE. Throws ERR_SOCKET.
uint64_t SocketNetnsCookie(Napi::Env env, int fd);

}  // namespace perigee
