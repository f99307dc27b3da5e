// SPDX-License-Identifier: Apache-2.0
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "addon.h"
#include "arguments.h"
#include "fault.h"
#include "inet_address.h"
#include "netns_scope.h"

namespace perigee {
namespace {

constexpr uint32_t kBacklog = 4096;

void Enable(Napi::Env env, int fd, int level, int option, const char* name) {
  const int on = 1;
  if (setsockopt(fd, level, option, &on, sizeof(on)) != 0) {
    Throw(env, "ERR_SOCKET", errno, "set socket option", name);
  }
}

void Bind(Napi::Env env, int fd, const SocketAddress& address) {
  if (bind(fd, address.get(), address.size) != 0) {
    Throw(env, "ERR_SOCKET", errno, "bind socket to", FormatEndpoint(address));
  }
}

uint16_t LocalPort(Napi::Env env, int fd) {
  SocketAddress address;
  address.size = sizeof(address.storage);
  if (getsockname(fd, address.get(), &address.size) != 0) {
    Throw(env, "ERR_SOCKET", errno, "read address of socket", std::to_string(fd));
  }
  return address.port();
}

// Bound outside the scope: a socket keeps the namespace that it was made in.
Napi::Value OpenListener(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = ObjectArgument(info[0], "options");
  const int family = FamilyArgument(options.Get("family"));
  const SocketAddress address = AddressArgument(family, options.Get("address"), options.Get("port"));
  const Napi::Value given = options.Get("backlog");
  const uint32_t backlog = IsAbsent(given) ? kBacklog : UintArgument(given, "backlog", 0, INT32_MAX);
  UniqueFd fd = SocketIn(env, NetnsArgument(options.Get("netnsFd")), family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  // Else a restart waits for the last one's TIME_WAIT.
  Enable(env, fd.get(), SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
  if (FlagOption(options, "reusePort")) Enable(env, fd.get(), SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT");
  if (FlagOption(options, "v6Only")) Enable(env, fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY");
  if (FlagOption(options, "transparent")) {
    if (family == AF_INET)
      Enable(env, fd.get(), IPPROTO_IP, IP_TRANSPARENT, "IP_TRANSPARENT");
    else
      Enable(env, fd.get(), IPPROTO_IPV6, IPV6_TRANSPARENT, "IPV6_TRANSPARENT");
  }
  Bind(env, fd.get(), address);
  if (listen(fd.get(), static_cast<int>(backlog)) != 0) {
    Throw(env, "ERR_SOCKET", errno, "listen on", FormatEndpoint(address));
  }
  Napi::Object result = Napi::Object::New(env);
  result.Set("port", LocalPort(env, fd.get()));
  result.Set("fd", fd.get());
  fd.release();
  return result;
}

Napi::Value OpenStream(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = ObjectArgument(info[0], "options");
  const int family = FamilyArgument(options.Get("family"));
  const Napi::Value bind_address = options.Get("bindAddress");
  const Napi::Value bind_port = options.Get("bindPort");
  const bool bound = !IsAbsent(bind_address) || !IsAbsent(bind_port);
  SocketAddress address;
  if (bound) {
    const Napi::Value any = Napi::String::New(env, family == AF_INET ? "0.0.0.0" : "::");
    address = AddressArgument(family, IsAbsent(bind_address) ? any : bind_address,
                              IsAbsent(bind_port) ? Napi::Number::New(env, 0) : bind_port);
  }
  UniqueFd fd = SocketIn(env, NetnsArgument(options.Get("netnsFd")), family, SOCK_STREAM | SOCK_NONBLOCK, 0);
  Napi::Object result = Napi::Object::New(env);
  if (bound) {
    Enable(env, fd.get(), SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR");
    Bind(env, fd.get(), address);
    result.Set("localPort", LocalPort(env, fd.get()));
  }
  result.Set("fd", fd.get());
  fd.release();
  return result;
}

// Sends whole packets, headers included (IPPROTO_RAW means that, raw(7)); receives none.
Napi::Value OpenRaw(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = ObjectArgument(info[0], "options");
  const int family = FamilyArgument(options.Get("family"));
  UniqueFd fd =
      SocketIn(env, NetnsArgument(options.Get("netnsFd")), family, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_RAW);
  return Napi::Number::New(env, fd.release());
}

Napi::Value SendRaw(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = FdArgument(info[0], "fd");
  const SocketAddress address = AddressArgument(FamilyArgument(info[1]), info[2], Napi::Number::New(env, 0));
  const ByteView packet = BytesArgument(info[3], "packet");
  const ssize_t sent = sendto(fd, packet.data, packet.size, MSG_DONTWAIT, address.get(), address.size);
  if (sent < 0) Throw(env, "ERR_SOCKET", errno, "send packet to", FormatEndpoint(address));
  return Napi::Number::New(env, static_cast<double>(sent));
}

Napi::Value Connect(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int fd = FdArgument(info[0], "fd");
  const SocketAddress address = AddressArgument(FamilyArgument(info[1]), info[2], info[3]);
  const bool done = connect(fd, address.get(), address.size) == 0;
  if (!done && errno != EINPROGRESS) Throw(env, "ERR_SOCKET", errno, "connect to", FormatEndpoint(address));
  return Napi::Boolean::New(env, done);
}

Napi::Value TakeError(const Napi::CallbackInfo& info) {
  const int fd = FdArgument(info[0], "fd");
  int error = 0;
  socklen_t size = sizeof(error);
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    Throw(info.Env(), "ERR_SOCKET", errno, "read error of socket", std::to_string(fd));
  }
  return Napi::Number::New(info.Env(), error);
}

Napi::Value NetnsCookie(const Napi::CallbackInfo& info) {
  return Napi::BigInt::New(info.Env(), SocketNetnsCookie(info.Env(), FdArgument(info[0], "fd")));
}

Napi::Value Cookie(const Napi::CallbackInfo& info) {
  const int fd = FdArgument(info[0], "fd");
  uint64_t cookie = 0;
  socklen_t size = sizeof(cookie);
  if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) {
    Throw(info.Env(), "ERR_SOCKET", errno, "read cookie of socket", std::to_string(fd));
  }
  return Napi::BigInt::New(info.Env(), cookie);
}

constexpr size_t kAddressBytes = 16;

// Writes the address in the form of the kernel maps, IPv4 as ::ffff:a.b.c.d; gives the port.
template <int (*Read)(int, sockaddr*, socklen_t*)>
Napi::Value AddressInto(const Napi::CallbackInfo& info) {
  const int fd = FdArgument(info[0], "fd");
  uint8_t* bytes = BytesArgument(info[1], kAddressBytes, "bytes").data;
  SocketAddress address;
  address.size = sizeof(address.storage);
  if (Read(fd, address.get(), &address.size) != 0) {
    Throw(info.Env(), "ERR_SOCKET", errno, "read address of socket", std::to_string(fd));
  }
  if (address.get()->sa_family == AF_INET) {
    static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    memcpy(bytes, kMapped, sizeof(kMapped));
    memcpy(bytes + sizeof(kMapped), &reinterpret_cast<sockaddr_in*>(address.get())->sin_addr,
           sizeof(in_addr));
  } else {
    memcpy(bytes, &reinterpret_cast<sockaddr_in6*>(address.get())->sin6_addr, kAddressBytes);
  }
  return Napi::Number::New(info.Env(), address.port());
}

void Close(const Napi::CallbackInfo& info) {
  const int fd = FdArgument(info[0], "fd");
  if (close(fd) != 0) Throw(info.Env(), "ERR_SOCKET", errno, "close descriptor", std::to_string(fd));
}

}  // namespace

void InitSockets(Napi::Env env, Napi::Object exports) {
  Napi::Object sockets = Napi::Object::New(env);
  sockets.Set("openListener", Napi::Function::New<OpenListener>(env, "openListener"));
  sockets.Set("openStream", Napi::Function::New<OpenStream>(env, "openStream"));
  sockets.Set("openRaw", Napi::Function::New<OpenRaw>(env, "openRaw"));
  sockets.Set("sendRaw", Napi::Function::New<SendRaw>(env, "sendRaw"));
  sockets.Set("connect", Napi::Function::New<Connect>(env, "connect"));
  sockets.Set("takeError", Napi::Function::New<TakeError>(env, "takeError"));
  sockets.Set("netnsCookie", Napi::Function::New<NetnsCookie>(env, "netnsCookie"));
  sockets.Set("cookie", Napi::Function::New<Cookie>(env, "cookie"));
  sockets.Set("localInto", Napi::Function::New<AddressInto<getsockname>>(env, "localInto"));
  sockets.Set("peerInto", Napi::Function::New<AddressInto<getpeername>>(env, "peerInto"));
  sockets.Set("close", Napi::Function::New<Close>(env, "close"));
  exports.Set("sockets", sockets);
}

}  // namespace perigee
