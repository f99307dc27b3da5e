// SPDX-License-Identifier: Apache-2.0
#include "bpf_fd.h"

#include <bpf/bpf.h>
#include <fcntl.h>

#include <cerrno>
#include <climits>

#include "fault.h"

namespace perigee {
namespace {

// Kernels differ in the spelling of a link's inode: bpf-link, bpf_link.
bool IsKind(int fd, BpfKind kind) {
  const std::string proc = "/proc/self/fd/" + std::to_string(fd);
  char buffer[PATH_MAX];
  const ssize_t size = readlink(proc.c_str(), buffer, sizeof(buffer));
  const std::string target(buffer, size > 0 ? static_cast<size_t>(size) : 0);
  const auto has = [&target](const char* name) { return target.find(name) != std::string::npos; };
  switch (kind) {
    case BpfKind::kMap:
      return has("bpf-map");
    case BpfKind::kProgram:
      return has("bpf-prog");
    case BpfKind::kLink:
      return has("bpf-link") || has("bpf_link");
  }
  return false;
}

}  // namespace

const char* BpfKindName(BpfKind kind) {
  switch (kind) {
    case BpfKind::kMap:
      return "map";
    case BpfKind::kProgram:
      return "program";
    case BpfKind::kLink:
      return "link";
  }
  return "";
}

UniqueFd Duplicate(Napi::Env env, int fd, BpfKind kind, const std::string& name) {
  UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy.valid()) {
    Throw(env, "ERR_BPF_OPEN", errno, std::string("take ") + BpfKindName(kind), name);
  }
  return copy;
}

UniqueFd OpenPinned(Napi::Env env, const std::string& path, BpfKind kind) {
  const std::string operation = std::string("open pinned ") + BpfKindName(kind);
  UniqueFd fd(bpf_obj_get(path.c_str()));
  if (!fd.valid()) Throw(env, "ERR_BPF_PIN", errno, operation, path);
  if (!IsKind(fd.get(), kind)) {
    Fault fault;
    fault.code = "ERR_BPF_PIN";
    fault.error = EINVAL;
    fault.operation = operation;
    fault.object = path;
    fault.reason = std::string("not a ") + BpfKindName(kind);
    Throw(env, fault);
  }
  return fd;
}

void Pin(Napi::Env env, const UniqueFd& fd, BpfKind kind, const std::string& path) {
  if (bpf_obj_pin(RequireOpen(env, fd, kind, path), path.c_str()) != 0) {
    Throw(env, "ERR_BPF_PIN", errno, std::string("pin ") + BpfKindName(kind), path);
  }
}

int RequireOpen(Napi::Env env, const UniqueFd& fd, BpfKind kind, const std::string& name) {
  if (!fd.valid()) {
    Throw(env, "ERR_NATIVE_CLOSED", EBADF, std::string("use closed ") + BpfKindName(kind), name);
  }
  return fd.get();
}

}  // namespace perigee
