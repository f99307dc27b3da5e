// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>

#include "addon.h"
#include "arguments.h"
#include "fault.h"
#include "unique_fd.h"

namespace perigee {
namespace {

// Whether the path still names this file: the holder before may have removed it between our open
// and our flock.
bool IsNamed(int fd, const std::string& path) {
  struct stat held;
  struct stat named;
  return fstat(fd, &held) == 0 && lstat(path.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

// A descriptor that holds the lock until it is closed, also by the end of the process; undefined
// while another has it. Only root may open the file: flock asks for no right to write.
Napi::Value LockFile(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::string path = PathArgument(info[0], "path");
  for (;;) {
    UniqueFd fd(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) Throw(env, "ERR_LOCK", errno, "open lock", path);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return env.Undefined();
      Throw(env, "ERR_LOCK", errno, "lock", path);
    }
    if (IsNamed(fd.get(), path)) return Napi::Number::New(env, fd.release());
  }
}

}  // namespace

void InitFileLock(Napi::Env env, Napi::Object exports) {
  exports.Set("lockFile", Napi::Function::New<LockFile>(env, "lockFile"));
}

}  // namespace perigee
