// SPDX-License-Identifier: Apache-2.0
#include <ctime>

#include "addon.h"

namespace perigee {
namespace {

template <clockid_t clock>
Napi::Value Now(const Napi::CallbackInfo& info) {
  timespec time;
  clock_gettime(clock, &time);
  return Napi::BigInt::New(
      info.Env(), static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(time.tv_nsec));
}

}  // namespace

void InitClock(Napi::Env env, Napi::Object exports) {
  Napi::Object clock = Napi::Object::New(env);
  clock.Set("monotonicNs", Napi::Function::New<Now<CLOCK_MONOTONIC>>(env, "monotonicNs"));
  clock.Set("boottimeNs", Napi::Function::New<Now<CLOCK_BOOTTIME>>(env, "boottimeNs"));
  exports.Set("clock", clock);
}

}  // namespace perigee
