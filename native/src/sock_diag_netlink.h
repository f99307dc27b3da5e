// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/inet_diag.h>

#include <cstdint>
#include <vector>

#include "unique_fd.h"

namespace perigee {

// One NETLINK_SOCK_DIAG socket: it sees the namespace that it was made in. Calls return 0 or an errno.
class DiagChannel {
 public:
  explicit DiagChannel(UniqueFd fd) : fd_(std::move(fd)) {}

  // Appends the sockets of a family (AF_*) and protocol (IPPROTO_*) in the states of the mask (1 << TCP_*).
  int List(uint8_t family, uint8_t protocol, uint32_t states, std::vector<inet_diag_msg>& found);

  // SOCK_DESTROY; ENOENT if there is no such socket (any more).
  int Destroy(uint8_t family, uint8_t protocol, const inet_diag_sockid& id);

 private:
  int Request(uint16_t type, uint16_t flags, const inet_diag_req_v2& request);
  // Reads messages up to the last of an answer.
  int Receive(std::vector<inet_diag_msg>* found);

  UniqueFd fd_;
};

}  // namespace perigee
