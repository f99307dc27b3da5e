// SPDX-License-Identifier: Apache-2.0
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <linux/netlink.h>
#include <netinet/in.h>

#include <cerrno>
#include <cstring>
#include <iterator>
#include <memory>

#include "addon.h"
#include "arguments.h"
#include "capabilities.h"
#include "fault.h"
#include "helper_probe.h"
#include "netns_scope.h"
#include "sock_diag_netlink.h"
#include "type_names.h"

namespace perigee {
namespace {

#define HELPER_NAME(name) #name
constexpr const char* kHelpers[] = {__BPF_FUNC_MAPPER(HELPER_NAME)};
#undef HELPER_NAME

// All that are probed for; of the kernel's functions it's one in twenty.
constexpr char kKfuncPrefix[] = "bpf_";

struct BtfCloser {
  void operator()(btf* types) const { btf__free(types); }
};

// 1 yes, 0 no, negative errno: couldn't tell.
Napi::Value Answer(Napi::Env env, int result, const char* operation, const std::string& object) {
  if (result < 0) Throw(env, "ERR_PROBE", -result, operation, object);
  return Napi::Boolean::New(env, result == 1);
}

Napi::Value ProgramType(const Napi::CallbackInfo& info) {
  const std::string name = StringArgument(info[0], "name");
  const bpf_prog_type type = ProgramTypeByName(info.Env(), name);
  return Answer(info.Env(), libbpf_probe_bpf_prog_type(type, nullptr), "probe program type", name);
}

Napi::Value MapType(const Napi::CallbackInfo& info) {
  const std::string name = StringArgument(info[0], "name");
  const bpf_map_type type = MapTypeByName(info.Env(), name);
  return Answer(info.Env(), libbpf_probe_bpf_map_type(type, nullptr), "probe map type", name);
}

bpf_func_id HelperArgument(const Napi::Value& value) {
  if (value.IsNumber()) return static_cast<bpf_func_id>(UintArgument(value, "helper", 1, UINT16_MAX));
  const std::string name = StringArgument(value, "helper");
  for (size_t i = 1; i < std::size(kHelpers); i++) {
    if (name == kHelpers[i]) return static_cast<bpf_func_id>(i);
  }
  ThrowArgument(value.Env(), "name helper", name, "unknown here, give its number");
}

Napi::Value Helper(const Napi::CallbackInfo& info) {
  const std::string type = StringArgument(info[0], "programType");
  const bpf_func_id helper = HelperArgument(info[1]);
  const int result = ProbeHelper(ProgramTypeByName(info.Env(), type), helper);
  return Answer(info.Env(), result, "probe helper", std::to_string(helper) + " in " + type);
}

const std::set<std::string>& Kfuncs(Napi::Env env, const std::string& wanted) {
  std::set<std::string>& names = AddonData::Of(env).kfuncs;
  if (!names.empty()) return names;
  const std::unique_ptr<btf, BtfCloser> types(btf__load_vmlinux_btf());
  if (!types) Throw(env, "ERR_PROBE", errno, "read kernel types for", wanted);
  for (uint32_t id = 1; id < btf__type_cnt(types.get()); id++) {
    const btf_type* type = btf__type_by_id(types.get(), id);
    if (!btf_is_func(type)) continue;
    const char* name = btf__name_by_offset(types.get(), type->name_off);
    if (strncmp(name, kKfuncPrefix, sizeof(kKfuncPrefix) - 1) == 0) names.insert(name);
  }
  return names;
}

Napi::Value Kfunc(const Napi::CallbackInfo& info) {
  const std::string name = StringArgument(info[0], "name");
  return Napi::Boolean::New(info.Env(), Kfuncs(info.Env(), name).count(name) != 0);
}

// Destroys a listener of its own on the loopback: the kernel may lack the operation, or we the capability.
Napi::Value SockDestroy(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const UniqueFd listener = SocketIn(env, -1, AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr* generic = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof(address);
  uint64_t cookie = 0;
  socklen_t cookie_size = sizeof(cookie);
  if (bind(listener.get(), generic, size) != 0 || listen(listener.get(), 1) != 0 ||
      getsockname(listener.get(), generic, &size) != 0 ||
      getsockopt(listener.get(), SOL_SOCKET, SO_COOKIE, &cookie, &cookie_size) != 0) {
    Throw(env, "ERR_PROBE", errno, "probe", "SOCK_DESTROY");
  }
  inet_diag_sockid id = {};
  id.idiag_sport = address.sin_port;
  id.idiag_src[0] = address.sin_addr.s_addr;
  id.idiag_cookie[0] = static_cast<uint32_t>(cookie);
  id.idiag_cookie[1] = static_cast<uint32_t>(cookie >> 32);
  DiagChannel channel(SocketIn(env, -1, AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG));
  return Napi::Boolean::New(env, channel.Destroy(AF_INET, IPPROTO_TCP, id) == 0);
}

Napi::Value Capabilities(const Napi::CallbackInfo& info) {
  const std::vector<std::string> names = EffectiveCapabilities();
  Napi::Array result = Napi::Array::New(info.Env(), names.size());
  for (size_t i = 0; i < names.size(); i++) result.Set(static_cast<uint32_t>(i), names[i]);
  return result;
}

}  // namespace

void InitProbe(Napi::Env env, Napi::Object exports) {
  Napi::Object probe = Napi::Object::New(env);
  probe.Set("programType", Napi::Function::New<ProgramType>(env, "programType"));
  probe.Set("mapType", Napi::Function::New<MapType>(env, "mapType"));
  probe.Set("helper", Napi::Function::New<Helper>(env, "helper"));
  probe.Set("kfunc", Napi::Function::New<Kfunc>(env, "kfunc"));
  probe.Set("sockDestroy", Napi::Function::New<SockDestroy>(env, "sockDestroy"));
  probe.Set("capabilities", Napi::Function::New<Capabilities>(env, "capabilities"));
  exports.Set("probe", probe);
}

}  // namespace perigee
