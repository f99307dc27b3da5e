// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>

#include "arguments.h"
#include "bpf_map.h"
#include "fault.h"
#include "ring_reader.h"

namespace perigee {
namespace {

constexpr uint32_t kRecordsPerTick = 1024;
// At least, of what a record takes beside its bytes: its header.
constexpr uint64_t kRecordOverhead = 8;

class RingBuffer;

// Lives from the constructor to libuv's last close callback, which may be later than the JavaScript object.
struct RingLoop {
  struct Ring {
    uv_poll_t poll = {};
    RingLoop* loop = nullptr;
    uint32_t index = 0;
    std::unique_ptr<RingReader> reader;
  };

  explicit RingLoop(Napi::Env env) : env(env) {}

  // Idempotent. Frees the loop when libuv has let go of all rings.
  void Close();
  static void OnReadable(uv_poll_t* poll, int status, int events);
  static void OnClosed(uv_handle_t* handle);
  static void OnTeardown(napi_async_cleanup_hook_handle, void* self) {
    static_cast<RingLoop*>(self)->Close();
  }
  void Finish();

  Napi::Env env;
  RingBuffer* owner = nullptr;
  std::vector<std::unique_ptr<Ring>> rings;
  size_t open_polls = 0;
  bool closing = false;
  napi_async_cleanup_hook_handle teardown = nullptr;
};

// Ring buffers of one or more maps, read on this environment's own loop.
class RingBuffer : public Napi::ObjectWrap<RingBuffer> {
 public:
  static constexpr const char* kNoun = "RingBuffer";

  static void Define(Napi::Env env, Napi::Object exports) {
    Napi::Function constructor =
        DefineClass(env, kNoun,
                    {
                        InstanceMethod<&RingBuffer::Consume>("consume"),
                        InstanceMethod<&RingBuffer::Pending>("pending"),
                        InstanceMethod<&RingBuffer::KeepAlive>("ref"),
                        InstanceMethod<&RingBuffer::LetGo>("unref"),
                        InstanceMethod<&RingBuffer::Close>("close"),
                        InstanceMethod<&RingBuffer::Close>(Napi::Symbol::WellKnown(env, "dispose")),
                    });
    exports.Set(kNoun, constructor);
  }

  explicit RingBuffer(const Napi::CallbackInfo& info);
  ~RingBuffer() override { Detach(); }

  // One bounded batch of one ring, from the loop.
  void OnReadable(RingLoop::Ring& ring);
  // The loop closes or has closed: by close(), or with the environment.
  void OnLoopClosed();

 private:
  Napi::Value Consume(const Napi::CallbackInfo& info);
  Napi::Value Pending(const Napi::CallbackInfo& info);
  void KeepAlive(const Napi::CallbackInfo& info);
  void LetGo(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void AddRing(Napi::Env env, const BpfMap& map);
  void Detach();
  // Takes one batch of a ring into the memory that all share. Returns whether there was one; the arguments
  // are empty if it held nothing but discarded records.
  bool TakeBatch(RingLoop::Ring& ring, std::vector<napi_value>& arguments);
  RingLoop& RequireLoop(Napi::Env env);

  RingLoop* loop_ = nullptr;
  Napi::FunctionReference on_batch_;
  std::unique_ptr<Napi::AsyncContext> context_;
  uint32_t records_per_tick_ = kRecordsPerTick;
  // One batch at a time lies here: memory made anew for each would cost more than the records. There is room
  // for all of the largest ring, of which a batch touches the beginning.
  std::vector<uint32_t> offsets_;
  Napi::Reference<Napi::Buffer<uint8_t>> bytes_;
  Napi::Reference<Napi::ArrayBuffer> offset_words_;
  bool delivering_ = false;
};

void RingLoop::Close() {
  if (closing) return;
  closing = true;
  if (owner != nullptr) owner->OnLoopClosed();
  owner = nullptr;
  if (open_polls == 0) {
    Finish();
    return;
  }
  const size_t polls = open_polls;
  for (size_t i = 0; i < polls; i++) uv_close(reinterpret_cast<uv_handle_t*>(&rings[i]->poll), OnClosed);
}

void RingLoop::OnClosed(uv_handle_t* handle) {
  RingLoop* self = static_cast<Ring*>(handle->data)->loop;
  if (--self->open_polls == 0) self->Finish();
}

void RingLoop::Finish() {
  if (teardown != nullptr) napi_remove_async_cleanup_hook(teardown);
  delete this;
}

void RingLoop::OnReadable(uv_poll_t* poll, int status, int) {
  Ring* ring = static_cast<Ring*>(poll->data);
  if (status < 0 || ring->loop->closing || ring->loop->owner == nullptr) return;
  ring->loop->owner->OnReadable(*ring);
}

RingBuffer::RingBuffer(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  Napi::Env env = info.Env();
  if (!info[0].IsArray() || info[0].As<Napi::Array>().Length() == 0) {
    ThrowArgument(env, "read argument", "maps", "wants at least one BpfMap");
  }
  if (!info[1].IsFunction()) ThrowArgument(env, "read argument", "onBatch", "wants a function");
  if (!IsAbsent(info[2])) {
    const Napi::Value limit = ObjectArgument(info[2], "options").Get("maxRecordsPerTick");
    if (!IsAbsent(limit)) records_per_tick_ = UintArgument(limit, "maxRecordsPerTick", 1, 1 << 20);
  }
  on_batch_ = Napi::Persistent(info[1].As<Napi::Function>());
  context_ = std::make_unique<Napi::AsyncContext>(env, "perigee.RingBuffer");
  loop_ = new RingLoop(env);
  loop_->owner = this;
  // An open ring isn't collected: its callback would silently fall quiet.
  Ref();
  try {
    const Napi::Array maps = info[0].As<Napi::Array>();
    size_t largest = 0;
    for (uint32_t i = 0; i < maps.Length(); i++) {
      AddRing(env, BpfMap::From(maps.Get(i), "maps"));
      largest = std::max<size_t>(largest, loop_->rings.back()->reader->size());
    }
    bytes_ = Napi::Persistent(Napi::Buffer<uint8_t>::New(env, largest));
    napi_add_async_cleanup_hook(env, RingLoop::OnTeardown, loop_, &loop_->teardown);
  } catch (...) {
    loop_->Close();
    throw;
  }
}

void RingBuffer::AddRing(Napi::Env env, const BpfMap& map) {
  if (map.info().type != BPF_MAP_TYPE_RINGBUF) {
    ThrowArgument(env, "read ring buffer", map.name(), "it is no ring buffer");
  }
  int error = 0;
  auto ring = std::make_unique<RingLoop::Ring>();
  ring->reader = RingReader::Open(Duplicate(env, map.RequireFd(env), BpfKind::kMap, map.name()),
                                  map.info().max_entries, error);
  if (!ring->reader) Throw(env, "ERR_RING", error, "read ring buffer", map.name());
  ring->loop = loop_;
  ring->index = static_cast<uint32_t>(loop_->rings.size());
  uv_loop_t* loop = nullptr;
  napi_get_uv_event_loop(env, &loop);
  error = uv_poll_init(loop, &ring->poll, ring->reader->fd());
  if (error != 0) Throw(env, "ERR_RING", -error, "poll ring buffer", map.name());
  ring->poll.data = ring.get();
  loop_->rings.push_back(std::move(ring));
  loop_->open_polls++;
  error = uv_poll_start(&loop_->rings.back()->poll, UV_READABLE, RingLoop::OnReadable);
  if (error != 0) Throw(env, "ERR_RING", -error, "poll ring buffer", map.name());
}

bool RingBuffer::TakeBatch(RingLoop::Ring& ring, std::vector<napi_value>& arguments) {
  arguments.clear();
  Napi::Env env = Env();
  const Napi::Buffer<uint8_t> bytes = bytes_.Value();
  if (!ring.reader->Take(records_per_tick_, bytes.Data(), offsets_)) return false;
  const size_t offset_bytes = offsets_.size() * sizeof(uint32_t);
  if (offset_words_.IsEmpty() || offset_words_.Value().ByteLength() < offset_bytes) {
    offset_words_ = Napi::Persistent(Napi::ArrayBuffer::New(env, 2 * offset_bytes));
  }
  Napi::Uint32Array offsets = Napi::Uint32Array::New(env, offsets_.size(), offset_words_.Value(), 0);
  std::copy(offsets_.begin(), offsets_.end(), offsets.Data());
  if (offsets_.size() > 1) arguments = {Napi::Number::New(env, ring.index), bytes, offsets};
  return true;
}

void RingBuffer::OnReadable(RingLoop::Ring& ring) {
  if (delivering_) return;
  Napi::Env env = Env();
  Napi::HandleScope scope(env);
  std::vector<napi_value> arguments;
  if (!TakeBatch(ring, arguments) || arguments.empty()) return;
  delivering_ = true;
  try {
    on_batch_.MakeCallback(Value(), arguments, *context_);
  } catch (const Napi::Error& error) {
    napi_fatal_exception(env, error.Value());
  }
  delivering_ = false;
}

Napi::Value RingBuffer::Consume(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireLoop(env);
  if (delivering_) Throw(env, "ERR_RING", EBUSY, "consume from its own callback", "");
  size_t count = 0;
  std::vector<napi_value> arguments;
  // The callback may close this; then loop_ is gone.
  for (size_t i = 0; loop_ != nullptr && i < loop_->rings.size(); i++) {
    uint64_t left = loop_->rings[i]->reader->Pending();
    while (loop_ != nullptr && left > 0) {
      Napi::HandleScope scope(env);
      if (!TakeBatch(*loop_->rings[i], arguments)) break;
      const uint64_t took = offsets_.back() + (offsets_.size() - 1) * kRecordOverhead;
      left -= std::min(left, std::max<uint64_t>(took, 1));
      if (arguments.empty()) continue;
      count += offsets_.size() - 1;
      delivering_ = true;
      try {
        on_batch_.Call(Value(), arguments);
      } catch (...) {
        delivering_ = false;
        throw;
      }
      delivering_ = false;
    }
  }
  return Napi::Number::New(env, static_cast<double>(count));
}

Napi::Value RingBuffer::Pending(const Napi::CallbackInfo& info) {
  uint64_t bytes = 0;
  for (const auto& ring : RequireLoop(info.Env()).rings) bytes += ring->reader->Pending();
  return Napi::Number::New(info.Env(), static_cast<double>(bytes));
}

void RingBuffer::KeepAlive(const Napi::CallbackInfo& info) {
  for (const auto& ring : RequireLoop(info.Env()).rings) uv_ref(reinterpret_cast<uv_handle_t*>(&ring->poll));
}

void RingBuffer::LetGo(const Napi::CallbackInfo& info) {
  for (const auto& ring : RequireLoop(info.Env()).rings)
    uv_unref(reinterpret_cast<uv_handle_t*>(&ring->poll));
}

void RingBuffer::Close(const Napi::CallbackInfo&) {
  if (loop_ != nullptr) loop_->Close();
}

void RingBuffer::OnLoopClosed() {
  loop_ = nullptr;
  Unref();
}

void RingBuffer::Detach() {
  if (loop_ == nullptr) return;
  loop_->owner = nullptr;
  loop_->Close();
  loop_ = nullptr;
}

RingLoop& RingBuffer::RequireLoop(Napi::Env env) {
  if (loop_ == nullptr) Throw(env, "ERR_NATIVE_CLOSED", EBADF, "use closed ring buffer", "");
  return *loop_;
}

}  // namespace

void InitRingBuffer(Napi::Env env, Napi::Object exports) { RingBuffer::Define(env, exports); }

}  // namespace perigee
