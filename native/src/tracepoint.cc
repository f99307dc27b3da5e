// SPDX-License-Identifier: Apache-2.0
#include "tracepoint.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdlib>

namespace perigee {
namespace {

// A tracefs of our own that is mounted nowhere: reading an id must not change what the host has mounted.
UniqueFd DetachedTracefs() {
  UniqueFd context(fsopen("tracefs", FSOPEN_CLOEXEC));
  if (!context.valid()) return {};
  if (fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return {};
  return UniqueFd(fsmount(context.get(), FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY));
}

UniqueFd OpenId(const std::string& event) {
  UniqueFd file(open(("/sys/kernel/tracing/" + event).c_str(), O_RDONLY | O_CLOEXEC));
  if (file.valid() || errno != ENOENT) return file;
  UniqueFd root = DetachedTracefs();
  if (!root.valid()) return {};
  return UniqueFd(openat(root.get(), event.c_str(), O_RDONLY | O_CLOEXEC));
}

bool IsName(const std::string& text) {
  return !text.empty() && text.find_first_of("/.", 0) == std::string::npos;
}

}  // namespace

UniqueFd LinkTracepoint(int program_fd, const std::string& category, const std::string& name, int& error) {
  if (!IsName(category) || !IsName(name)) {
    error = EINVAL;
    return {};
  }
  const UniqueFd file = OpenId("events/" + category + "/" + name + "/id");
  char text[32] = {};
  if (!file.valid() || read(file.get(), text, sizeof(text) - 1) <= 0) {
    error = errno;
    return {};
  }
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_TRACEPOINT;
  attributes.config = strtoull(text, nullptr, 10);
  // Programs hang on the tracepoint, not on the event's CPU. The link keeps the event.
  const UniqueFd event(
      static_cast<int>(syscall(SYS_perf_event_open, &attributes, -1, 0, -1, PERF_FLAG_FD_CLOEXEC)));
  if (!event.valid()) {
    error = errno;
    return {};
  }
  UniqueFd link(bpf_link_create(program_fd, event.get(), BPF_PERF_EVENT, nullptr));
  if (!link.valid()) error = errno;
  return link;
}

}  // namespace perigee
