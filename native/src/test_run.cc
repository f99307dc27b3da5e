// SPDX-License-Identifier: Apache-2.0
#include "test_run.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "arguments.h"
#include "fault.h"

namespace perigee {
namespace {

// Contexts and packets beyond this are mistakes.
constexpr uint32_t kContextBytes = 1 << 16;
// Programs may grow a packet (tunnel headers).
constexpr size_t kPacketGrowth = 512;

// Tracing types refuse an output context, syscall programs write into the input.
bool HasContextOutput(uint32_t type) {
  return type != BPF_PROG_TYPE_RAW_TRACEPOINT && type != BPF_PROG_TYPE_TRACING &&
         type != BPF_PROG_TYPE_SYSCALL;
}

std::vector<uint8_t> Bytes(const Napi::Object& input, const char* name) {
  Napi::Value value = input.Get(name);
  if (IsAbsent(value)) return {};
  const ByteView view = BytesArgument(value, name);
  return std::vector<uint8_t>(view.data, view.data + view.size);
}

Napi::Buffer<uint8_t> Output(Napi::Env env, const std::vector<uint8_t>& bytes, size_t size) {
  return Napi::Buffer<uint8_t>::Copy(env, bytes.data(), std::min(size, bytes.size()));
}

}  // namespace

Napi::Value RunProgram(Napi::Env env, int fd, uint32_t type, const std::string& name,
                       const Napi::Value& input) {
  const Napi::Object given = IsAbsent(input) ? Napi::Object::New(env) : ObjectArgument(input, "input");
  std::vector<uint8_t> data = Bytes(given, "dataIn");
  std::vector<uint8_t> context = Bytes(given, "ctxIn");
  const Napi::Value size = given.Get("ctxSize");
  if (!IsAbsent(size)) {
    context.resize(UintArgument(size, "ctxSize", static_cast<uint32_t>(context.size()), kContextBytes));
  }
  const Napi::Value repeat = given.Get("repeat");
  std::vector<uint8_t> data_out(data.empty() ? 0 : data.size() + kPacketGrowth);
  std::vector<uint8_t> context_out(HasContextOutput(type) ? context.size() : 0);

  LIBBPF_OPTS(bpf_test_run_opts, options);
  if (!data.empty()) {
    options.data_in = data.data();
    options.data_size_in = static_cast<uint32_t>(data.size());
    options.data_out = data_out.data();
    options.data_size_out = static_cast<uint32_t>(data_out.size());
  }
  if (!context.empty()) {
    options.ctx_in = context.data();
    options.ctx_size_in = static_cast<uint32_t>(context.size());
  }
  if (!context_out.empty()) {
    options.ctx_out = context_out.data();
    options.ctx_size_out = static_cast<uint32_t>(context_out.size());
  }
  if (!IsAbsent(repeat)) options.repeat = static_cast<int>(UintArgument(repeat, "repeat", 0, 1'000'000));
  if (bpf_prog_test_run_opts(fd, &options) != 0) Throw(env, "ERR_BPF_RUN", errno, "run program", name);

  Napi::Object result = Napi::Object::New(env);
  result.Set("returnValue", options.retval);
  result.Set("dataOut", Output(env, data_out, options.data_size_out));
  const bool in_place = type == BPF_PROG_TYPE_SYSCALL;
  result.Set("ctxOut", in_place ? Output(env, context, context.size())
                                : Output(env, context_out, options.ctx_size_out));
  result.Set("durationNs", options.duration);
  return result;
}

}  // namespace perigee
