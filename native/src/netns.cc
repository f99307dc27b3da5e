// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <memory>

#include "addon.h"
#include "arguments.h"
#include "fault.h"
#include "inet_address.h"
#include "netns_scope.h"

namespace perigee {
namespace {

bool IsNetns(int fd) {
  struct statfs fs;
  return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

Napi::Value OpenPath(Napi::Env env, const std::string& path) {
  // Not O_RDONLY alone: what is no namespace may be a FIFO or a device, and opening one of those can block or
  // do things.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!fd.valid()) Throw(env, "ERR_NETNS", errno, "open network namespace", path);
  if (!IsNetns(fd.get())) {
    Fault fault;
    fault.code = "ERR_NETNS";
    fault.error = EINVAL;
    fault.operation = "open network namespace";
    fault.object = path;
    fault.reason = "not a network namespace";
    Throw(env, fault);
  }
  return Napi::Number::New(env, fd.release());
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  return OpenPath(info.Env(), PathArgument(info[0], "path"));
}

Napi::Value OfPid(const Napi::CallbackInfo& info) {
  const uint32_t pid = UintArgument(info[0], "pid", 1, INT32_MAX);
  return OpenPath(info.Env(), "/proc/" + std::to_string(pid) + "/ns/net");
}

Napi::Value SelfFd(const Napi::CallbackInfo& info) {
  return OpenPath(info.Env(), "/proc/thread-self/ns/net");
}

Napi::Value Inode(const Napi::CallbackInfo& info) {
  const int fd = FdArgument(info[0], "netnsFd");
  struct stat status;
  if (fstat(fd, &status) != 0)
    Throw(info.Env(), "ERR_NETNS", errno, "look at descriptor", std::to_string(fd));
  return Napi::BigInt::New(info.Env(), static_cast<uint64_t>(status.st_ino));
}

// Only a socket tells the cookie of its namespace.
Napi::Value Cookie(const Napi::CallbackInfo& info) {
  const UniqueFd fd = SocketIn(info.Env(), FdArgument(info[0], "netnsFd"), AF_UNIX, SOCK_DGRAM, 0);
  return Napi::BigInt::New(info.Env(), SocketNetnsCookie(info.Env(), fd.get()));
}

uint32_t CountBits(const uint8_t* bytes, size_t size) {
  uint32_t bits = 0;
  for (size_t i = 0; i < size; i++) bits += static_cast<uint32_t>(__builtin_popcount(bytes[i]));
  return bits;
}

void AppendAddress(Napi::Array& result, const ifaddrs& entry) {
  if (entry.ifa_addr == nullptr || entry.ifa_netmask == nullptr) return;
  const int family = entry.ifa_addr->sa_family;
  if (family != AF_INET && family != AF_INET6) return;
  const auto bytes = [family](const sockaddr* address) {
    return family == AF_INET
               ? reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in*>(address)->sin_addr)
               : reinterpret_cast<const uint8_t*>(&reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr);
  };
  Napi::Object row = Napi::Object::New(result.Env());
  row.Set("interface", entry.ifa_name);
  row.Set("family", family == AF_INET ? 4 : 6);
  row.Set("address", FormatAddress(family, bytes(entry.ifa_addr)));
  row.Set("prefixLength",
          CountBits(bytes(entry.ifa_netmask), family == AF_INET ? sizeof(in_addr) : sizeof(in6_addr)));
  result.Set(result.Length(), row);
}

Napi::Value Addresses(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const int netns = FdArgument(info[0], "netnsFd");
  ifaddrs* list = nullptr;
  int error = 0;
  {
    NetnsScope scope(env, netns);
    if (getifaddrs(&list) != 0) error = errno;
  }
  if (error != 0) Throw(env, "ERR_NETNS", error, "list addresses of", "descriptor " + std::to_string(netns));
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, freeifaddrs);
  Napi::Array result = Napi::Array::New(env);
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) AppendAddress(result, *entry);
  return result;
}

}  // namespace

void InitNetns(Napi::Env env, Napi::Object exports) {
  Napi::Object netns = Napi::Object::New(env);
  netns.Set("open", Napi::Function::New<Open>(env, "open"));
  netns.Set("ofPid", Napi::Function::New<OfPid>(env, "ofPid"));
  netns.Set("selfFd", Napi::Function::New<SelfFd>(env, "selfFd"));
  netns.Set("inode", Napi::Function::New<Inode>(env, "inode"));
  netns.Set("cookie", Napi::Function::New<Cookie>(env, "cookie"));
  netns.Set("addresses", Napi::Function::New<Addresses>(env, "addresses"));
  exports.Set("netns", netns);
}

}  // namespace perigee
