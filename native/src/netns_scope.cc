// SPDX-License-Identifier: Apache-2.0
#include "netns_scope.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "addon.h"
#include "arguments.h"
#include "fault.h"

namespace perigee {
namespace {

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

// An environment stays on its thread, and threads of this process move only inside a scope: home can be kept.
int Home(Napi::Env env) {
  UniqueFd& home = AddonData::Of(env).home_netns;
  if (!home.valid()) home.reset(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home.valid()) Throw(env, "ERR_NETNS", errno, "open network namespace", "of this thread");
  return home.get();
}

}  // namespace

NetnsScope::NetnsScope(Napi::Env env, int netns_fd) {
  if (netns_fd < 0) return;
  const int home = Home(env);
  if (setns(netns_fd, CLONE_NEWNET) != 0) {
    Throw(env, "ERR_NETNS", errno, "enter network namespace", "descriptor " + std::to_string(netns_fd));
  }
  home_ = home;
}

NetnsScope::~NetnsScope() {
  if (home_ < 0 || setns(home_, CLONE_NEWNET) == 0) return;
  std::perror("perigee: can't return to the own network namespace");
  std::abort();
}

int NetnsArgument(const Napi::Value& value) { return IsAbsent(value) ? -1 : FdArgument(value, "netnsFd"); }

UniqueFd SocketIn(Napi::Env env, int netns_fd, int family, int type, int protocol) {
  UniqueFd fd;
  int error;
  {
    NetnsScope scope(env, netns_fd);
    fd.reset(socket(family, type | SOCK_CLOEXEC, protocol));
    error = errno;
  }
  if (!fd.valid()) Throw(env, "ERR_SOCKET", error, "create socket", "");
  return fd;
}

uint64_t SocketNetnsCookie(Napi::Env env, int fd) {
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size) != 0) {
    Throw(env, "ERR_SOCKET", errno, "read namespace cookie of socket", std::to_string(fd));
  }
  return cookie;
}

}  // namespace perigee
