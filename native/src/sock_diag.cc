// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "addon.h"
#include "arguments.h"
#include "fault.h"
#include "inet_address.h"
#include "netns_scope.h"
#include "sock_diag_netlink.h"

namespace perigee {
namespace {

// By number, include/net/tcp_states.h; the names are those of ss(8) in full.
constexpr const char* kStates[] = {"",           "established", "syn-sent",     "syn-recv",      "fin-wait-1",
                                   "fin-wait-2", "time-wait",   "closed",       "close-wait",    "last-ack",
                                   "listening",  "closing",     "new-syn-recv", "bound-inactive"};

DiagChannel OpenChannel(Napi::Env env, const Napi::Value& netns) {
  return DiagChannel(SocketIn(env, NetnsArgument(netns), AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG));
}

uint8_t ProtocolArgument(const Napi::Value& value) {
  const std::string name = StringArgument(value, "protocol");
  if (name == "tcp") return IPPROTO_TCP;
  if (name == "udp") return IPPROTO_UDP;
  ThrowArgument(value.Env(), "read argument", "protocol", "wants tcp or udp");
}

uint32_t StatesArgument(const Napi::Value& value) {
  if (IsAbsent(value)) return ~0u;
  if (!value.IsArray()) ThrowArgument(value.Env(), "read argument", "states", "wants an array");
  const Napi::Array names = value.As<Napi::Array>();
  uint32_t mask = 0;
  for (uint32_t i = 0; i < names.Length(); i++) {
    const std::string name = StringArgument(names.Get(i), "states");
    uint32_t bit = 0;
    for (uint32_t state = 1; state < std::size(kStates); state++) {
      if (name == kStates[state]) bit = 1u << state;
    }
    if (bit == 0) ThrowArgument(value.Env(), "read argument", "states", "there is no state " + name);
    mask |= bit;
  }
  return mask;
}

std::vector<uint8_t> FamiliesArgument(const Napi::Value& value) {
  if (IsAbsent(value)) return {AF_INET, AF_INET6};
  if (!value.IsArray()) ThrowArgument(value.Env(), "read argument", "families", "wants an array");
  std::vector<uint8_t> families;
  const Napi::Array given = value.As<Napi::Array>();
  for (uint32_t i = 0; i < given.Length(); i++)
    families.push_back(static_cast<uint8_t>(FamilyArgument(given.Get(i))));
  return families;
}

Napi::Object EndpointObject(Napi::Env env, int family, const void* address, uint16_t port) {
  Napi::Object endpoint = Napi::Object::New(env);
  endpoint.Set("address", FormatAddress(family, address));
  endpoint.Set("port", ntohs(port));
  return endpoint;
}

Napi::Object Row(Napi::Env env, const inet_diag_msg& message) {
  const inet_diag_sockid& id = message.id;
  const uint8_t state = message.idiag_state;
  Napi::Object row = Napi::Object::New(env);
  row.Set("family", message.idiag_family == AF_INET ? 4 : 6);
  row.Set("state", state < std::size(kStates) ? kStates[state] : "");
  row.Set("source", EndpointObject(env, message.idiag_family, id.idiag_src, id.idiag_sport));
  row.Set("destination", EndpointObject(env, message.idiag_family, id.idiag_dst, id.idiag_dport));
  row.Set("cookie", Napi::BigInt::New(env, uint64_t{id.idiag_cookie[1]} << 32 | id.idiag_cookie[0]));
  row.Set("inode", message.idiag_inode);
  row.Set("uid", message.idiag_uid);
  row.Set("interfaceIndex", id.idiag_if);
  return row;
}

Napi::Value List(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object filter = ObjectArgument(info[1], "filter");
  const uint8_t protocol = ProtocolArgument(filter.Get("protocol"));
  const uint32_t states = StatesArgument(filter.Get("states"));
  const std::vector<uint8_t> families = FamiliesArgument(filter.Get("families"));
  DiagChannel channel = OpenChannel(env, info[0]);
  std::vector<inet_diag_msg> found;
  for (const uint8_t family : families) {
    const int error = channel.List(family, protocol, states, found);
    if (error != 0) Throw(env, "ERR_DIAG", error, "list sockets", protocol == IPPROTO_TCP ? "tcp" : "udp");
  }
  Napi::Array rows = Napi::Array::New(env, found.size());
  for (size_t i = 0; i < found.size(); i++) {
    Napi::HandleScope scope(env);
    rows.Set(static_cast<uint32_t>(i), Row(env, found[i]));
  }
  return rows;
}

void SetEndpoint(int family, const Napi::Value& value, const char* what, __be32* address, __be16& port) {
  const Napi::Object endpoint = ObjectArgument(value, what);
  const SocketAddress parsed = AddressArgument(family, endpoint.Get("address"), endpoint.Get("port"));
  port = htons(parsed.port());
  if (family == AF_INET) {
    std::memcpy(address, &reinterpret_cast<const sockaddr_in&>(parsed.storage).sin_addr, sizeof(in_addr));
  } else {
    std::memcpy(address, &reinterpret_cast<const sockaddr_in6&>(parsed.storage).sin6_addr, sizeof(in6_addr));
  }
}

void SetCookie(inet_diag_sockid& id, uint64_t cookie) {
  id.idiag_cookie[0] = static_cast<uint32_t>(cookie);
  id.idiag_cookie[1] = static_cast<uint32_t>(cookie >> 32);
}

Napi::Value Destroy(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object target = ObjectArgument(info[1], "target");
  const int family = FamilyArgument(target.Get("family"));
  inet_diag_sockid id = {};
  SetEndpoint(family, target.Get("source"), "source", id.idiag_src, id.idiag_sport);
  SetEndpoint(family, target.Get("destination"), "destination", id.idiag_dst, id.idiag_dport);
  SetCookie(id, BigUintArgument(target.Get("cookie"), "cookie"));
  const Napi::Value interface = target.Get("interfaceIndex");
  if (!IsAbsent(interface)) id.idiag_if = UintArgument(interface, "interfaceIndex");
  const uint8_t protocol = ProtocolArgument(target.Get("protocol"));
  const int error = OpenChannel(env, info[0]).Destroy(static_cast<uint8_t>(family), protocol, id);
  // ESTALE: the place is taken by another socket by now.
  const bool gone = error == ENOENT || error == ESTALE;
  if (error != 0 && !gone) {
    const Napi::Object source = target.Get("source").As<Napi::Object>();
    Throw(env, "ERR_DIAG", error, "destroy socket",
          FormatEndpoint(AddressArgument(family, source.Get("address"), source.Get("port"))));
  }
  return Napi::Boolean::New(env, error == 0);
}

}  // namespace

void InitSockDiag(Napi::Env env, Napi::Object exports) {
  Napi::Object diag = Napi::Object::New(env);
  diag.Set("list", Napi::Function::New<List>(env, "list"));
  diag.Set("destroy", Napi::Function::New<Destroy>(env, "destroy"));
  exports.Set("diag", diag);
}

}  // namespace perigee
