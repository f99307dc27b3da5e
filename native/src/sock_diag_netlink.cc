// SPDX-License-Identifier: Apache-2.0
#include "sock_diag_netlink.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace perigee {
namespace {

// The kernel fills at most 32 KiB at once.
constexpr size_t kReceiveBytes = 1 << 16;

// DONE and ERROR both begin with a negative errno, 0 for success.
int Outcome(const nlmsghdr& header) {
  int error = 0;
  if (header.nlmsg_len >= NLMSG_LENGTH(sizeof(error))) {
    std::memcpy(&error, NLMSG_DATA(const_cast<nlmsghdr*>(&header)), sizeof(error));
  }
  return -error;
}

}  // namespace

int DiagChannel::List(uint8_t family, uint8_t protocol, uint32_t states, std::vector<inet_diag_msg>& found) {
  inet_diag_req_v2 request = {};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol;
  request.idiag_states = states;
  const int error = Request(SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, request);
  return error != 0 ? error : Receive(&found);
}

int DiagChannel::Destroy(uint8_t family, uint8_t protocol, const inet_diag_sockid& id) {
  inet_diag_req_v2 request = {};
  request.sdiag_family = family;
  request.sdiag_protocol = protocol;
  request.idiag_states = ~0u;
  request.id = id;
  const int error = Request(SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK, request);
  return error != 0 ? error : Receive(nullptr);
}

int DiagChannel::Request(uint16_t type, uint16_t flags, const inet_diag_req_v2& request) {
  struct {
    nlmsghdr header;
    inet_diag_req_v2 request;
  } message = {};
  message.header.nlmsg_len = sizeof(message);
  message.header.nlmsg_type = type;
  message.header.nlmsg_flags = flags;
  message.request = request;
  sockaddr_nl kernel = {};
  kernel.nl_family = AF_NETLINK;
  const ssize_t sent =
      sendto(fd_.get(), &message, sizeof(message), 0, reinterpret_cast<sockaddr*>(&kernel), sizeof(kernel));
  return sent < 0 ? errno : 0;
}

int DiagChannel::Receive(std::vector<inet_diag_msg>* found) {
  std::vector<uint8_t> buffer(kReceiveBytes);
  for (;;) {
    const ssize_t received = recv(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (received < 0 && errno == EINTR) continue;
    if (received < 0) return errno;
    if (static_cast<size_t>(received) > buffer.size()) return EMSGSIZE;
    size_t left = static_cast<size_t>(received);
    const nlmsghdr* header = reinterpret_cast<const nlmsghdr*>(buffer.data());
    for (; NLMSG_OK(header, left); header = NLMSG_NEXT(header, left)) {
      if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR) return Outcome(*header);
      if (found == nullptr || header->nlmsg_len < NLMSG_LENGTH(sizeof(inet_diag_msg))) continue;
      inet_diag_msg& row = found->emplace_back();
      std::memcpy(&row, NLMSG_DATA(const_cast<nlmsghdr*>(header)), sizeof(row));
    }
  }
}

}  // namespace perigee
