// SPDX-License-Identifier: Apache-2.0
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <cerrno>

#include "addon.h"
#include "arguments.h"
#include "fault.h"

namespace perigee {
namespace {

Napi::Value MountBpffs(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = PathArgument(info[0], "path");
  struct statfs fs;
  if (statfs(path.c_str(), &fs) != 0) Throw(env, "ERR_MOUNT", errno, "look at", path);
  if (fs.f_type == BPF_FS_MAGIC) return Napi::Boolean::New(env, false);
  if (mount("bpf", path.c_str(), "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") != 0) {
    Throw(env, "ERR_MOUNT", errno, "mount bpffs on", path);
  }
  return Napi::Boolean::New(env, true);
}

}  // namespace

void InitBpffs(Napi::Env env, Napi::Object exports) {
  exports.Set("mountBpffs", Napi::Function::New<MountBpffs>(env, "mountBpffs"));
}

}  // namespace perigee
