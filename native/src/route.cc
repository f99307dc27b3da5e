// SPDX-License-Identifier: Apache-2.0
#include <linux/rtnetlink.h>
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

struct RouteRequest {
  nlmsghdr header;
  rtmsg route;
  char attributes[64];
};

const void* AddressBytes(const SocketAddress& address, int family) {
  if (family == AF_INET) return &reinterpret_cast<const sockaddr_in*>(address.get())->sin_addr;
  return &reinterpret_cast<const sockaddr_in6*>(address.get())->sin6_addr;
}

RouteRequest RequestFor(const SocketAddress& address, int family) {
  const size_t size = family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr);
  RouteRequest request = {};
  request.header.nlmsg_type = RTM_GETROUTE;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.header.nlmsg_len = NLMSG_LENGTH(sizeof(rtmsg)) + RTA_SPACE(size);
  request.route.rtm_family = static_cast<unsigned char>(family);
  request.route.rtm_dst_len = static_cast<unsigned char>(size * 8);
  auto* attribute = reinterpret_cast<rtattr*>(request.attributes);
  attribute->rta_type = RTA_DST;
  attribute->rta_len = static_cast<unsigned short>(RTA_LENGTH(size));
  memcpy(RTA_DATA(attribute), AddressBytes(address, family), size);
  return request;
}

// RTA_PREFSRC of the answer; empty if there is none. Sets errno from an error message.
std::string PreferredSource(char* answer, ssize_t length, int family) {
  auto* header = reinterpret_cast<nlmsghdr*>(answer);
  if (!NLMSG_OK(header, static_cast<size_t>(length))) return "";
  if (header->nlmsg_type == NLMSG_ERROR) {
    errno = -reinterpret_cast<nlmsgerr*>(NLMSG_DATA(header))->error;
    return "";
  }
  auto* route = reinterpret_cast<rtmsg*>(NLMSG_DATA(header));
  int left = static_cast<int>(RTM_PAYLOAD(header));
  for (rtattr* attribute = RTM_RTA(route); RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left)) {
    if (attribute->rta_type == RTA_PREFSRC) return FormatAddress(family, RTA_DATA(attribute));
  }
  errno = EADDRNOTAVAIL;
  return "";
}

// What connect() would choose, without the hooks that connect() passes.
Napi::Value SourceFor(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object options = ObjectArgument(info[0], "options");
  const int family = FamilyArgument(options.Get("family"));
  const SocketAddress address = AddressArgument(family, options.Get("address"), Napi::Number::New(env, 0));
  const UniqueFd fd =
      SocketIn(env, NetnsArgument(options.Get("netnsFd")), AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
  const RouteRequest request = RequestFor(address, family);
  alignas(nlmsghdr) char answer[4096];
  ssize_t length = send(fd.get(), &request, request.header.nlmsg_len, 0);
  if (length >= 0) length = recv(fd.get(), answer, sizeof(answer), 0);
  const std::string source = length < 0 ? "" : PreferredSource(answer, length, family);
  if (source.empty()) Throw(env, "ERR_SOCKET", errno, "find the route to", FormatEndpoint(address));
  return Napi::String::New(env, source);
}

}  // namespace

void InitRoute(Napi::Env env, Napi::Object exports) {
  exports.Get("sockets").As<Napi::Object>().Set("sourceFor",
                                                Napi::Function::New<SourceFor>(env, "sourceFor"));
}

}  // namespace perigee
