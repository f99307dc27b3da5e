// SPDX-License-Identifier: Apache-2.0
// The addon's class FlowWriter, by the contract of src/core/port/flow-writer.ts.
#include <algorithm>
#include <array>

#include "addon.h"
#include "arguments.h"
#include "fault.h"
#include "flow_arena.h"
#include "flow_record.h"

namespace perigee {
namespace {

// The words of an array that is shared with JavaScript, at least `least` of them.
template <typename Array>
Array WordsArgument(const Napi::Value& value, const char* what, napi_typedarray_type type, size_t least) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != type) {
    ThrowArgument(value.Env(), "read argument", what, "wants a typed array");
  }
  Array words = value.As<Array>();
  if (words.ElementLength() < least) {
    ThrowArgument(value.Env(), "read argument", what, "wants " + std::to_string(least) + " elements");
  }
  return words;
}

// Shared memory of JavaScript's, which may take it away: by a transfer, or by a size that shrinks.
class SharedView {
 public:
  SharedView() = default;
  explicit SharedView(const Napi::Value& array)
      : array_(Napi::Persistent(array.As<Napi::Object>())), view_(Look()) {}

  bool IsThere() const {
    const ByteView view = Look();
    return view.data == view_.data && view.size >= view_.size;
  }

 private:
  ByteView Look() const {
    Napi::TypedArray array = array_.Value().As<Napi::TypedArray>();
    void* data = nullptr;
    napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
    return {static_cast<uint8_t*>(data), array.ByteLength()};
  }

  Napi::ObjectReference array_;
  ByteView view_ = {};
};

// One of the two rings, with the references that keep its memory.
struct Ring {
  explicit Ring(const Napi::Value& value) : arena(Read(value)) {}

  // What a property returns may be code: all are read before any memory is looked at.
  FlowMemory Read(const Napi::Value& value) {
    const Napi::Object memory = ObjectArgument(value, "memory");
    const Napi::Value bytes = memory.Get("bytes");
    const Napi::Value chunk_size = memory.Get("chunkBytes");
    const Napi::Value state = memory.Get("state");
    const Napi::Value chunks = memory.Get("chunks");
    const ByteView view = BytesArgument(bytes, "bytes");
    if (view.size < 8 || view.size % 8 != 0) {
      ThrowArgument(value.Env(), "read argument", "bytes", "wants a multiple of 8");
    }
    const uint32_t chunk_bytes = UintArgument(chunk_size, "chunkBytes", 8);
    const size_t slots = (view.size + chunk_bytes - 1) / chunk_bytes + 1;
    auto words = WordsArgument<Napi::Float64Array>(state, "state", napi_float64_array, kStateWords);
    auto rows =
        WordsArgument<Napi::Float64Array>(chunks, "chunks", napi_float64_array, slots * kChunkColumns);
    views = {SharedView(bytes), SharedView(state), SharedView(chunks)};
    return {view.data, view.size, chunk_bytes, words.Data(), rows.Data(), slots};
  }

  void RequireMemory(Napi::Env env) const {
    for (const SharedView& view : views)
      if (!view.IsThere()) ThrowArgument(env, "append flows", "memory", "it is not there any more");
  }

  std::array<SharedView, 3> views;
  FlowArena arena;
};

class FlowWriter : public Napi::ObjectWrap<FlowWriter> {
 public:
  static void Define(Napi::Env env, Napi::Object exports) {
    exports.Set("FlowWriter",
                DefineClass(env, "FlowWriter", {InstanceMethod<&FlowWriter::Append>("append")}));
  }

  explicit FlowWriter(const Napi::CallbackInfo& info)
      : Napi::ObjectWrap<FlowWriter>(info), flows_(info[0]), denials_(info[1]) {}

 private:
  Napi::Value Append(const Napi::CallbackInfo& info) {
    Napi::Env env = info.Env();
    flows_.RequireMemory(env);
    denials_.RequireMemory(env);
    const ByteView bytes = BytesArgument(info[0], "bytes");
    const auto offsets = WordsArgument<Napi::Uint32Array>(info[1], "offsets", napi_uint32_array, 1);
    const uint64_t wall = BigUintArgument(info[2], "wall");
    const size_t count = offsets.ElementLength() - 1;
    auto noted = WordsArgument<Napi::Uint32Array>(info[3], "noted", napi_uint32_array, count);
    const uint32_t* starts = offsets.Data();
    uint32_t* note = noted.Data();
    for (size_t i = 0; i < count; i++) {
      const size_t start = starts[i];
      const size_t end = std::min<size_t>(starts[i + 1], bytes.size);
      if (start >= end || !AppendOne(bytes.data + start, end - start, wall)) continue;
      if (!IsAllowedRequest(bytes.data + start)) *note++ = starts[i];
    }
    flows_.arena.Publish();
    denials_.arena.Publish();
    return Napi::Number::New(env, static_cast<double>(note - noted.Data()));
  }

  bool AppendOne(const uint8_t* record, size_t room, uint64_t wall) {
    const size_t length = RecordLength(record, room);
    FlowArena& arena = (length != 0 && IsDenial(record) ? denials_ : flows_).arena;
    return length != 0 && arena.Append(record, length, wall);
  }

  Ring flows_;
  Ring denials_;
};

}  // namespace

void InitFlowWriter(Napi::Env env, Napi::Object exports) { FlowWriter::Define(env, exports); }

}  // namespace perigee
