// SPDX-License-Identifier: Apache-2.0
#include "helper_probe.h"

#include <bpf/bpf.h>

#include <cerrno>
#include <cstring>
#include <iterator>

#include "unique_fd.h"

namespace perigee {
namespace {

constexpr size_t kLogBytes = 4096;

// What the verifiers of older and newer kernels say of a call that this type may not make.
constexpr const char* kRefusals[] = {"invalid func ", "unknown func ", "cannot use helper "};

// Types that the kernel doesn't load without one.
bpf_attach_type AttachType(bpf_prog_type type) {
  switch (type) {
    case BPF_PROG_TYPE_CGROUP_SOCK_ADDR:
      return BPF_CGROUP_INET4_CONNECT;
    case BPF_PROG_TYPE_CGROUP_SOCKOPT:
      return BPF_CGROUP_GETSOCKOPT;
    case BPF_PROG_TYPE_SK_LOOKUP:
      return BPF_SK_LOOKUP;
    default:
      return static_cast<bpf_attach_type>(0);
  }
}

}  // namespace

int ProbeHelper(bpf_prog_type type, bpf_func_id helper) {
  bpf_insn program[2] = {};
  program[0].code = BPF_JMP | BPF_CALL;
  program[0].imm = helper;
  program[1].code = BPF_JMP | BPF_EXIT;
  char log[kLogBytes] = {};
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  options.expected_attach_type = AttachType(type);
  options.log_buf = log;
  options.log_size = sizeof(log);
  options.log_level = 1;
  const UniqueFd fd(bpf_prog_load(type, nullptr, "GPL", program, std::size(program), &options));
  if (fd.valid()) return 1;
  const int error = errno;
  for (const char* refusal : kRefusals) {
    if (std::strstr(log, refusal) != nullptr) return 0;
  }
  // A complaint about the call's arguments means that the call as such was allowed.
  return log[0] != '\0' ? 1 : -error;
}

}  // namespace perigee
