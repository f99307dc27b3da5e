// SPDX-License-Identifier: Apache-2.0
// The addon's class Reactor; src/datapath/reactor.ts makes the contract of src/core/port/reactor.ts of it.
#include <cerrno>
#include <system_error>

#include "addon.h"
#include "arguments.h"
#include "fault.h"
#include "reactor_loop.h"

namespace perigee {
namespace {

constexpr size_t kOutboxBytes = 256 * 1024;
constexpr int32_t kCommandRecords = 8192;
constexpr uint32_t kMaxMemory = 1 << 30;

uint32_t Limit(const Napi::Object& limits, const char* name, uint32_t min, uint32_t max) {
  return UintArgument(limits.Get(name), name, min, max);
}

ReactorLimits ReadLimits(const Napi::Value& value) {
  const Napi::Object limits = ObjectArgument(value, "limits");
  ReactorLimits result;
  result.sockets = Limit(limits, "sockets", 1, 1 << kSlotIndexBits);
  result.turn_sockets = Limit(limits, "turnSockets", 1, 4096);
  result.turn_accepts = Limit(limits, "turnAccepts", 1, 4096);
  result.read_bytes = Limit(limits, "readBytes", 64, kMaxMemory / 4 / result.turn_sockets);
  result.high_water = Limit(limits, "highWater", 1, kMaxMemory);
  result.queue_bytes = Limit(limits, "queueBytes", 1, kMaxMemory);
  result.linger_ms = Limit(limits, "lingerMs", 0, 3'600'000);
  result.stall_ms = Limit(limits, "stallMs", 0, 3'600'000);
  return result;
}

class Reactor : public Napi::ObjectWrap<Reactor> {
 public:
  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("Reactor", DefineClass(env, "Reactor",
                                       {
                                           InstanceMethod<&Reactor::Listen>("listen"),
                                           InstanceMethod<&Reactor::Unlisten>("unlisten"),
                                           InstanceMethod<&Reactor::Adopt>("adopt"),
                                           InstanceMethod<&Reactor::Flush>("flush"),
                                           InstanceMethod<&Reactor::Destroy>("destroy"),
                                       }));
  }

  explicit Reactor(const Napi::CallbackInfo& info) : Napi::ObjectWrap<Reactor>(info) {
    Napi::Env env = info.Env();
    const ReactorLimits limits = ReadLimits(info[0]);
    if (!info[1].IsFunction()) ThrowArgument(env, "read argument", "onBatch", "wants a function");
    on_batch_ = Napi::Persistent(info[1].As<Napi::Function>());
    const ReactorMemory memory = Allocate(env, limits);
    try {
      loop_ = ReactorLoop::Start(env, on_batch_, limits, memory);
    } catch (const std::system_error& error) {
      Throw(env, "ERR_REACTOR", error.code().value(), "start reactor", "");
    }
    Ref();  // the arrays belong to this object, and the loop uses them until destroy()
  }

  void Finalize(Napi::BasicEnv) override {
    // Collected only after destroy(), or with the environment, whose hook has stopped the loop.
    loop_ = nullptr;
  }

 private:
  Napi::Value Listen(const Napi::CallbackInfo& info) {
    const int fd = FdArgument(info[0], "fd");
    const auto tag = static_cast<int32_t>(UintArgument(info[1], "tag", 0, INT32_MAX));
    return Result(info.Env(), Engine(info.Env()).Listen(fd, tag), "listen on", fd);
  }

  Napi::Value Unlisten(const Napi::CallbackInfo& info) {
    const int fd = FdArgument(info[0], "fd");
    return Result(info.Env(), Engine(info.Env()).Unlisten(fd), "stop listening on", fd);
  }

  Napi::Value Adopt(const Napi::CallbackInfo& info) {
    const int fd = FdArgument(info[0], "fd");
    return Result(info.Env(), Engine(info.Env()).Adopt(fd), "adopt", fd);
  }

  void Flush(const Napi::CallbackInfo&) {
    if (loop_ == nullptr) return;
    loop_->engine().Flush();
    loop_->Schedule();
  }

  void Destroy(const Napi::CallbackInfo&) {
    if (loop_ == nullptr) return;
    loop_->Stop();
    loop_ = nullptr;
    on_batch_.Reset();
    Unref();
  }

  ReactorEngine& Engine(Napi::Env env) {
    if (loop_ == nullptr) Throw(env, "ERR_REACTOR", EBADF, "use reactor", "after destroy");
    return loop_->engine();
  }

  static Napi::Value Result(Napi::Env env, int32_t result, const char* operation, int fd) {
    if (result == -ENOSPC) Throw(env, "ERR_REACTOR_FULL", ENOSPC, operation, "socket " + std::to_string(fd));
    if (result < 0) Throw(env, "ERR_REACTOR", -result, operation, "socket " + std::to_string(fd));
    return Napi::Number::New(env, result);
  }

  // A constant property: neither can be taken away while the loop writes to it.
  template <typename Element>
  Element* Share(const char* name, Napi::TypedArrayOf<Element> array) {
    Value().DefineProperty(Napi::PropertyDescriptor::Value(name, array, napi_enumerable));
    return array.Data();
  }

  ReactorMemory Allocate(Napi::Env env, const ReactorLimits& limits) {
    const size_t slab = static_cast<size_t>(limits.read_bytes) * limits.turn_sockets;
    Napi::ArrayBuffer bytes = Napi::ArrayBuffer::New(env, slab + kOutboxBytes);
    ReactorMemory memory;
    memory.slab_bytes = slab;
    memory.outbox_bytes = kOutboxBytes;
    memory.bytes = Share("slab", Napi::Uint8Array::New(env, slab, bytes, 0));
    Share("outbox", Napi::Uint8Array::New(env, kOutboxBytes, bytes, slab));
    memory.event_records =
        static_cast<int32_t>(limits.turn_sockets * (ReactorEngine::kEventsPerSocket + 1) + 64);
    memory.events = Share("events", Napi::Int32Array::New(env, memory.event_records * kRecordStride));
    memory.command_records = kCommandRecords;
    memory.commands = Share("commands", Napi::Int32Array::New(env, kCommandRecords * kRecordStride));
    memory.control = Share("control", Napi::Int32Array::New(env, kControlWords));
    memory.table = Share("table", Napi::Int32Array::New(env, limits.sockets * kTableStride));
    memory.relayed = Share("relayed", Napi::Float64Array::New(env, limits.sockets));
    memory.stats = Share("stats", Napi::Float64Array::New(env, kStatWords));
    return memory;
  }

  Napi::FunctionReference on_batch_;
  ReactorLoop* loop_ = nullptr;
};

}  // namespace

void InitReactor(Napi::Env env, Napi::Object exports) { Reactor::Define(env, exports); }

}  // namespace perigee
