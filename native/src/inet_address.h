// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>
#include <sys/socket.h>

#include <string>

namespace perigee {

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
  // Host byte order.
  uint16_t port() const;
};

// 4 or 6 to AF_INET or AF_INET6.
int FamilyArgument(const Napi::Value& value);

// A numeric address without a zone, and a port.
SocketAddress AddressArgument(int family, const Napi::Value& address, const Napi::Value& port);

// `bytes`: in_addr or in6_addr.
std::string FormatAddress(int family, const void* bytes);

// "10.0.0.1:80", "[::1]:80".
std::string FormatEndpoint(const SocketAddress& address);

}  // namespace perigee
