// SPDX-License-Identifier: Apache-2.0
#include "reactor_loop.h"

#include <cerrno>
#include <system_error>

namespace perigee {
namespace {

// Resolution of lingering and of the back-off from accepting.
constexpr uint64_t kTickMs = 50;

}  // namespace

ReactorLoop::ReactorLoop(napi_env env, napi_ref on_batch, const ReactorLimits& limits,
                         const ReactorMemory& memory)
    : env_(env), on_batch_(on_batch), engine_(limits, memory) {}

ReactorLoop* ReactorLoop::Start(napi_env env, napi_ref on_batch, const ReactorLimits& limits,
                                const ReactorMemory& memory) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    throw std::system_error(ENOTSUP, std::generic_category(), "napi_get_uv_event_loop");
  }
  std::unique_ptr<ReactorLoop> self(new ReactorLoop(env, on_batch, limits, memory));
  const int error = uv_poll_init(loop, &self->poll_, self->engine_.epoll_fd());
  if (error != 0) throw std::system_error(-error, std::generic_category(), "uv_poll_init");
  uv_idle_init(loop, &self->idle_);
  uv_timer_init(loop, &self->timer_);
  self->poll_.data = self->idle_.data = self->timer_.data = self.get();
  uv_poll_start(&self->poll_, UV_READABLE, OnReadable);
  napi_add_async_cleanup_hook(env, OnEnvironmentGone, self.get(), &self->cleanup_);
  return self.release();
}

void ReactorLoop::Stop() {
  if (stopped_) return;
  stopped_ = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&poll_),
           OnClosed);  // lets go of the descriptor before it is closed
  engine_.Close();
  uv_close(reinterpret_cast<uv_handle_t*>(&idle_), OnClosed);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), OnClosed);
}

void ReactorLoop::OnClosed(uv_handle_t* handle) {
  auto* self = static_cast<ReactorLoop*>(handle->data);
  if (--self->open_handles_ > 0) return;
  napi_remove_async_cleanup_hook(self->cleanup_);
  delete self;
}

void ReactorLoop::OnEnvironmentGone(napi_async_cleanup_hook_handle, void* self) {
  static_cast<ReactorLoop*>(self)->Stop();
}

void ReactorLoop::Schedule() {
  if (stopped_) return;
  if (engine_.HasPending()) {
    uv_idle_start(&idle_, OnIdle);
  } else {
    uv_idle_stop(&idle_);
  }
  const bool ticking = uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) != 0;
  if (engine_.NeedsTimer() == ticking) return;
  if (ticking) {
    uv_timer_stop(&timer_);
  } else {
    uv_timer_start(&timer_, OnTimer, kTickMs, kTickMs);
  }
}

void ReactorLoop::Turn() {
  engine_.Turn(*this);
  Schedule();
}

void ReactorLoop::OnReadable(uv_poll_t* handle, int, int) { static_cast<ReactorLoop*>(handle->data)->Turn(); }

void ReactorLoop::OnIdle(uv_idle_t* handle) { static_cast<ReactorLoop*>(handle->data)->Turn(); }

void ReactorLoop::OnTimer(uv_timer_t* handle) {
  auto* self = static_cast<ReactorLoop*>(handle->data);
  self->engine_.Housekeep();
  self->Schedule();
}

void ReactorLoop::OnBatch(int32_t count) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  napi_value callback, receiver, argument;
  if (napi_get_reference_value(env_, on_batch_, &callback) == napi_ok &&
      napi_get_global(env_, &receiver) == napi_ok && napi_create_int32(env_, count, &argument) == napi_ok &&
      napi_make_callback(env_, nullptr, receiver, callback, 1, &argument, nullptr) ==
          napi_pending_exception) {
    // As an exception in any callback of the event loop: 'uncaughtException', or the end of the process.
    napi_value exception;
    napi_get_and_clear_last_exception(env_, &exception);
    napi_fatal_exception(env_, exception);
  }
  napi_close_handle_scope(env_, scope);
}

}  // namespace perigee
