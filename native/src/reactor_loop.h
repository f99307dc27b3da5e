// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <node_api.h>
#include <uv.h>

#include <memory>

#include "reactor_engine.h"

namespace perigee {

// Ties an engine to the loop and the environment of its thread. Lives until libuv let go of its handles, so
// it's made by Start() and ended by Stop(), never deleted by its owner.
class ReactorLoop final : private ReactorEngine::BatchHandler {
 public:
  // `on_batch` is a strong reference to the function that takes the number of events. Throws
  // std::system_error.
  static ReactorLoop* Start(napi_env env, napi_ref on_batch, const ReactorLimits& limits,
                            const ReactorMemory& memory);
  // Closes all sockets at once. `stopped` says when the environment is torn down first.
  void Stop();

  ReactorEngine& engine() { return engine_; }
  bool stopped() const { return stopped_; }
  // To be called after work outside of a turn: reports and deadlines may have come up.
  void Schedule();

 private:
  ReactorLoop(napi_env env, napi_ref on_batch, const ReactorLimits& limits, const ReactorMemory& memory);
  void OnBatch(int32_t count) override;
  void Turn();

  static void OnReadable(uv_poll_t* handle, int status, int events);
  static void OnIdle(uv_idle_t* handle);
  static void OnTimer(uv_timer_t* handle);
  static void OnClosed(uv_handle_t* handle);
  static void OnEnvironmentGone(napi_async_cleanup_hook_handle handle, void* self);

  napi_env env_;
  napi_ref on_batch_;
  ReactorEngine engine_;
  uv_poll_t poll_;
  uv_idle_t idle_;
  uv_timer_t timer_;
  int open_handles_ = 3;
  bool stopped_ = false;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
};

}  // namespace perigee
