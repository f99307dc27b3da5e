// SPDX-License-Identifier: Apache-2.0
// What maps, programs and links have in common: a descriptor, an id, a place in bpffs.
#pragma once

#include <napi.h>

#include <string>

#include "unique_fd.h"

namespace perigee {

enum class BpfKind { kMap, kProgram, kLink };

const char* BpfKindName(BpfKind kind);

// A second descriptor of the same object, so that handles don't depend on each other's lifetime.
UniqueFd Duplicate(Napi::Env env, int fd, BpfKind kind, const std::string& name);

// Opens a pin and refuses one of another kind: the kernel gives whatever is pinned there.
UniqueFd OpenPinned(Napi::Env env, const std::string& path, BpfKind kind);

void Pin(Napi::Env env, const UniqueFd& fd, BpfKind kind, const std::string& path);

// The descriptor, or ERR_NATIVE_CLOSED.
int RequireOpen(Napi::Env env, const UniqueFd& fd, BpfKind kind, const std::string& name);

}  // namespace perigee
