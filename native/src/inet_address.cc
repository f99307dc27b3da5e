// SPDX-License-Identifier: Apache-2.0
#include "inet_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "arguments.h"
#include "fault.h"

namespace perigee {
namespace {

const sockaddr_in& Inet4(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_in&>(address.storage);
}

const sockaddr_in6& Inet6(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr_in6&>(address.storage);
}

}  // namespace

uint16_t SocketAddress::port() const {
  return ntohs(storage.ss_family == AF_INET ? Inet4(*this).sin_port : Inet6(*this).sin6_port);
}

int FamilyArgument(const Napi::Value& value) {
  const uint32_t family = UintArgument(value, "family", 4, 6);
  if (family == 5) ThrowArgument(value.Env(), "read argument", "family", "wants 4 or 6");
  return family == 4 ? AF_INET : AF_INET6;
}

SocketAddress AddressArgument(int family, const Napi::Value& address, const Napi::Value& port) {
  const std::string text = StringArgument(address, "address");
  const uint16_t network_port = htons(static_cast<uint16_t>(UintArgument(port, "port", 0, UINT16_MAX)));
  SocketAddress result;
  void* bytes;
  if (family == AF_INET) {
    sockaddr_in& inet = reinterpret_cast<sockaddr_in&>(result.storage);
    inet.sin_family = AF_INET;
    inet.sin_port = network_port;
    bytes = &inet.sin_addr;
    result.size = sizeof(inet);
  } else {
    sockaddr_in6& inet = reinterpret_cast<sockaddr_in6&>(result.storage);
    inet.sin6_family = AF_INET6;
    inet.sin6_port = network_port;
    bytes = &inet.sin6_addr;
    result.size = sizeof(inet);
  }
  if (inet_pton(family, text.c_str(), bytes) != 1) {
    ThrowArgument(address.Env(), "read address", text,
                  family == AF_INET ? "it is no IPv4 address" : "it is no IPv6 address");
  }
  return result;
}

std::string FormatAddress(int family, const void* bytes) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, bytes, text, sizeof(text));
  return text;
}

std::string FormatEndpoint(const SocketAddress& address) {
  const std::string port = std::to_string(address.port());
  if (address.storage.ss_family == AF_INET)
    return FormatAddress(AF_INET, &Inet4(address).sin_addr) + ":" + port;
  return "[" + FormatAddress(AF_INET6, &Inet6(address).sin6_addr) + "]:" + port;
}

}  // namespace perigee
