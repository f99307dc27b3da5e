// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>

#include "addon.h"
#include "arguments.h"
#include "fault.h"

namespace perigee {
namespace {

UniqueFd OpenCgroup(Napi::Env env, const std::string& path) {
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) Throw(env, "ERR_CGROUP", errno, "open cgroup", path);
  struct statfs fs;
  if (fstatfs(fd.get(), &fs) != 0) Throw(env, "ERR_CGROUP", errno, "open cgroup", path);
  if (fs.f_type != CGROUP2_SUPER_MAGIC) {
    Fault fault;
    fault.code = "ERR_CGROUP";
    fault.error = EINVAL;
    fault.operation = "open cgroup";
    fault.object = path;
    fault.reason = "not in a cgroup2 file system";
    Throw(env, fault);
  }
  return fd;
}

Napi::Value Open(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), OpenCgroup(info.Env(), PathArgument(info[0], "path")).release());
}

// A cgroup's id is what its file handle holds; where inodes have 64 bits, it is the inode number, too.
Napi::Value Id(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = PathArgument(info[0], "path");
  const UniqueFd fd = OpenCgroup(env, path);
  uint64_t id = 0;
  alignas(file_handle) unsigned char storage[sizeof(file_handle) + sizeof(id)] = {};
  file_handle* handle = reinterpret_cast<file_handle*>(storage);
  handle->handle_bytes = sizeof(id);
  int mount = 0;
  if (name_to_handle_at(fd.get(), "", handle, &mount, AT_EMPTY_PATH) != 0) {
    Throw(env, "ERR_CGROUP", errno, "identify cgroup", path);
  }
  std::memcpy(&id, storage + sizeof(file_handle), sizeof(id));
  return Napi::BigInt::New(env, id);
}

}  // namespace

void InitCgroup(Napi::Env env, Napi::Object exports) {
  Napi::Object cgroup = Napi::Object::New(env);
  cgroup.Set("id", Napi::Function::New<Id>(env, "id"));
  cgroup.Set("open", Napi::Function::New<Open>(env, "open"));
  exports.Set("cgroup", cgroup);
}

}  // namespace perigee
