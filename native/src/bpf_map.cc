// SPDX-License-Identifier: Apache-2.0
#include "bpf_map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "map_batch.h"
#include "map_dump.h"
#include "type_names.h"

namespace perigee {
namespace {

bool IsPerCpu(uint32_t type) {
  return type == BPF_MAP_TYPE_PERCPU_ARRAY || type == BPF_MAP_TYPE_PERCPU_HASH ||
         type == BPF_MAP_TYPE_LRU_PERCPU_HASH || type == BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE;
}

// Memory that is unmapped with it, unless somebody else may have it.
struct Mapping {
  uint8_t* memory;
  size_t size;
  bool is_lent = false;

  ~Mapping() {
    if (!is_lent) munmap(memory, size);
  }
};

size_t RoundUp8(size_t size) { return (size + 7) & ~size_t{7}; }

uint64_t FlagArgument(const Napi::Value& value) {
  if (IsAbsent(value)) return BPF_ANY;
  const std::string flag = StringArgument(value, "flag");
  if (flag == "any") return BPF_ANY;
  if (flag == "noexist") return BPF_NOEXIST;
  if (flag == "exist") return BPF_EXIST;
  ThrowArgument(value.Env(), "read argument", "flag", "wants any, noexist or exist");
}

Napi::Object InfoObject(Napi::Env env, const MapHandle& handle) {
  Napi::Object result = Napi::Object::New(env);
  result.Set("id", handle.info.id);
  result.Set("name", handle.name);
  result.Set("type", MapTypeName(handle.info.type));
  result.Set("keySize", handle.info.key_size);
  result.Set("valueSize", handle.info.value_size);
  result.Set("maxEntries", handle.info.max_entries);
  result.Set("flags", handle.info.map_flags);
  result.Freeze();
  return result;
}

}  // namespace

void BpfMap::Define(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor =
      DefineClass(env, kNoun,
                  {
                      StaticMethod<&BpfMap::OpenPinned>("openPinned"),
                      StaticMethod<&BpfMap::OpenById>("openById"),
                      StaticMethod<&BpfMap::Create>("create"),
                      InstanceMethod<&BpfMap::Lookup>("lookup"),
                      InstanceMethod<&BpfMap::Update>("update"),
                      InstanceMethod<&BpfMap::Delete>("delete"),
                      InstanceMethod<&BpfMap::Dump>("dump"),
                      InstanceMethod<&BpfMap::UpdateBatch>("updateBatch"),
                      InstanceMethod<&BpfMap::DeleteBatch>("deleteBatch"),
                      InstanceMethod<&BpfMap::LookupFd>("lookupFd"),
                      InstanceMethod<&BpfMap::UpdateFd>("updateFd"),
                      InstanceMethod<&BpfMap::DeleteFd>("deleteFd"),
                      InstanceMethod<&BpfMap::UpdateSocket>("updateSocket"),
                      InstanceMethod<&BpfMap::UpdateInner>("updateInner"),
                      InstanceMethod<&BpfMap::Mapped>("mapped"),
                      InstanceMethod<&BpfMap::WithMapped>("withMapped"),
                      InstanceMethod<&BpfMap::Pin>("pin"),
                      InstanceMethod<&BpfMap::Freeze>("freeze"),
                      InstanceMethod<&BpfMap::Close>("close"),
                      InstanceMethod<&BpfMap::Close>(Napi::Symbol::WellKnown(env, "dispose")),
                  });
  Constructor(AddonData::Of(env)) = Napi::Persistent(constructor);
  exports.Set(kNoun, constructor);
}

void InitBpfMap(Napi::Env env, Napi::Object exports) { BpfMap::Define(env, exports); }

Napi::Object BpfMap::Make(Napi::Env env, UniqueFd fd, std::string name) {
  MapHandle handle;
  handle.fd = std::move(fd);
  uint32_t size = sizeof(handle.info);
  if (bpf_obj_get_info_by_fd(handle.fd.get(), &handle.info, &size) != 0) {
    Throw(env, "ERR_BPF_MAP", errno, "read map", name);
  }
  handle.name = name.empty() ? handle.info.name : std::move(name);
  handle.entry_size = handle.info.value_size;
  if (IsPerCpu(handle.info.type)) {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 1) Throw(env, "ERR_BPF_MAP", -cpus, "count CPUs for map", handle.name);
    handle.copies = static_cast<uint32_t>(cpus);
    handle.entry_size = RoundUp8(handle.info.value_size) * handle.copies;
  }
  return Wrap(env, std::move(handle));
}

BpfMap::BpfMap(const Napi::CallbackInfo& info) : Wrapped(info) {
  Napi::Env env = info.Env();
  Constant("info", InfoObject(env, native_));
  Constant("cpus", Napi::Number::New(env, native_.copies));
  Constant("entrySize", Napi::Number::New(env, static_cast<double>(native_.entry_size)));
}

Napi::Value BpfMap::OpenPinned(const Napi::CallbackInfo& info) {
  return Make(info.Env(), perigee::OpenPinned(info.Env(), PathArgument(info[0], "path"), BpfKind::kMap), "");
}

Napi::Value BpfMap::OpenById(const Napi::CallbackInfo& info) {
  const uint32_t id = UintArgument(info[0], "id");
  UniqueFd fd(bpf_map_get_fd_by_id(id));
  if (!fd.valid()) Throw(info.Env(), "ERR_BPF_MAP", errno, "open map by id", std::to_string(id));
  return Make(info.Env(), std::move(fd), "");
}

Napi::Value BpfMap::Create(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const Napi::Object spec = ObjectArgument(info[0], "spec");
  const std::string name = StringArgument(spec.Get("name"), "name");
  LIBBPF_OPTS(bpf_map_create_opts, options);
  const Napi::Value flags = spec.Get("flags");
  if (!IsAbsent(flags)) options.map_flags = UintArgument(flags, "flags");
  UniqueFd fd(bpf_map_create(MapTypeByName(env, StringArgument(spec.Get("type"), "type")), name.c_str(),
                             UintArgument(spec.Get("keySize"), "keySize"),
                             UintArgument(spec.Get("valueSize"), "valueSize"),
                             UintArgument(spec.Get("maxEntries"), "maxEntries"), &options));
  if (!fd.valid()) Throw(env, "ERR_BPF_MAP", errno, "create map", name);
  return Make(env, std::move(fd), name);
}

Napi::Value BpfMap::Lookup(const Napi::CallbackInfo& info) {
  return LookupKey(info.Env(), Key(info[0]).data);
}

void BpfMap::Update(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const uint64_t flag = FlagArgument(info[2]);
  const ByteView value = BytesArgument(info[1], native_.entry_size, "value");
  if (bpf_map_update_elem(RequireFd(env), Key(info[0]).data, value.data, flag) != 0)
    ThrowMap(env, errno, "update map");
}

Napi::Value BpfMap::Delete(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), DeleteKey(info.Env(), Key(info[0]).data));
}

Napi::Value BpfMap::Dump(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  MapEntries entries;
  const int error = DumpMap({RequireFd(env), native_.info, native_.entry_size}, entries);
  if (error != 0) ThrowMap(env, error, "dump map");
  Napi::Object result = Napi::Object::New(env);
  result.Set("keys", Napi::Buffer<uint8_t>::Copy(env, entries.keys.data(), entries.keys.size()));
  result.Set("values", Napi::Buffer<uint8_t>::Copy(env, entries.values.data(), entries.values.size()));
  result.Set("count", entries.count);
  return result;
}

Napi::Value BpfMap::UpdateBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const size_t key_size = native_.info.key_size;
  const ByteView keys = BytesArgument(info[0], "keys");
  if (key_size == 0 || keys.size % key_size != 0) {
    ThrowArgument(env, "update map", native_.name,
                  "keys aren't a multiple of " + std::to_string(key_size) + " bytes");
  }
  const uint32_t count = static_cast<uint32_t>(keys.size / key_size);
  const ByteView values = BytesArgument(info[1], count * native_.entry_size, "values");
  const BatchResult result =
      UpdateEntries({RequireFd(env), native_.info, native_.entry_size}, keys.data, values.data, count);
  if (result.error != 0) Throw(env, BatchFault(result, "update map", native_.name));
  return Napi::Number::New(env, result.done);
}

Napi::Value BpfMap::DeleteBatch(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const size_t key_size = native_.info.key_size;
  const ByteView keys = BytesArgument(info[0], "keys");
  if (key_size == 0 || keys.size % key_size != 0) {
    ThrowArgument(env, "delete from map", native_.name,
                  "keys aren't a multiple of " + std::to_string(key_size) + " bytes");
  }
  const BatchResult result = DeleteEntries({RequireFd(env), native_.info, native_.entry_size}, keys.data,
                                           static_cast<uint32_t>(keys.size / key_size));
  if (result.error != 0) Throw(env, BatchFault(result, "delete from map", native_.name));
  return Napi::Number::New(env, result.done);
}

Napi::Value BpfMap::LookupFd(const Napi::CallbackInfo& info) {
  RequireType(info.Env(), native_.info.type == BPF_MAP_TYPE_SK_STORAGE, "socket storage");
  const int fd = FdArgument(info[0], "socketFd");
  return LookupKey(info.Env(), &fd);
}

void BpfMap::UpdateFd(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireType(env, native_.info.type == BPF_MAP_TYPE_SK_STORAGE, "socket storage");
  const int fd = FdArgument(info[0], "socketFd");
  const ByteView value = BytesArgument(info[1], native_.entry_size, "value");
  if (bpf_map_update_elem(RequireFd(env), &fd, value.data, BPF_ANY) != 0) ThrowMap(env, errno, "update map");
}

Napi::Value BpfMap::DeleteFd(const Napi::CallbackInfo& info) {
  RequireType(info.Env(), native_.info.type == BPF_MAP_TYPE_SK_STORAGE, "socket storage");
  const int fd = FdArgument(info[0], "socketFd");
  return Napi::Boolean::New(info.Env(), DeleteKey(info.Env(), &fd));
}

void BpfMap::UpdateSocket(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const uint32_t type = native_.info.type;
  RequireType(env,
              type == BPF_MAP_TYPE_SOCKMAP || type == BPF_MAP_TYPE_SOCKHASH ||
                  type == BPF_MAP_TYPE_REUSEPORT_SOCKARRAY,
              "map of sockets");
  const ByteView key = Key(info[0]);
  // The kernel takes a descriptor of 4 or of 8 bytes, as the map's values are.
  const uint64_t wide = static_cast<uint64_t>(FdArgument(info[1], "socketFd"));
  const uint32_t narrow = static_cast<uint32_t>(wide);
  const void* value = native_.info.value_size == sizeof(wide) ? static_cast<const void*>(&wide) : &narrow;
  if (bpf_map_update_elem(RequireFd(env), key.data, value, BPF_ANY) != 0)
    ThrowMap(env, errno, "put socket into map");
}

void BpfMap::UpdateInner(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const uint32_t type = native_.info.type;
  RequireType(env, type == BPF_MAP_TYPE_ARRAY_OF_MAPS || type == BPF_MAP_TYPE_HASH_OF_MAPS, "map of maps");
  const ByteView key = Key(info[0]);
  const int inner = BpfMap::From(info[1], "inner").RequireFd(env);
  if (bpf_map_update_elem(RequireFd(env), key.data, &inner, BPF_ANY) != 0)
    ThrowMap(env, errno, "put map into map");
}

uint8_t* BpfMap::MapValues(Napi::Env env, size_t& bytes, size_t& mapped) {
  RequireType(env, (native_.info.map_flags & BPF_F_MMAPABLE) != 0, "a mappable array");
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  bytes = RoundUp8(native_.info.value_size) * native_.info.max_entries;
  mapped = (bytes + page - 1) & ~(page - 1);
  void* memory = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_SHARED, RequireFd(env), 0);
  if (memory == MAP_FAILED) ThrowMap(env, errno, "map into memory");
  return static_cast<uint8_t*>(memory);
}

// The memory stays mapped until the buffer is collected, whether or not the handle is open.
Napi::Value BpfMap::Mapped(const Napi::CallbackInfo& info) {
  size_t bytes;
  size_t mapped;
  uint8_t* memory = MapValues(info.Env(), bytes, mapped);
  return Napi::Buffer<uint8_t>::New(info.Env(), memory, bytes,
                                    [mapped](Napi::Env, uint8_t* data) { munmap(data, mapped); });
}

// Mapped memory counts as the process's, all of it: it is mapped for the call alone. Whatever the callback
// keeps of it is detached, and so empty, afterwards. What it has transferred can't be taken back: that is an
// error, and the memory stays mapped.
Napi::Value BpfMap::WithMapped(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (!info[0].IsFunction()) ThrowArgument(env, "read argument", "use", "wants a function");
  size_t bytes;
  size_t mapped;
  uint8_t* memory = MapValues(env, bytes, mapped);
  Mapping mapping{memory, mapped};
  Napi::ArrayBuffer lent = Napi::ArrayBuffer::New(env, memory, bytes);
  mapping.is_lent = true;
  const auto take_back = [&] {
    if (lent.IsDetached()) ThrowArgument(env, "map into memory", native_.name, "its memory was given away");
    lent.Detach();
    mapping.is_lent = false;
  };
  try {
    const Napi::Value result = info[0].As<Napi::Function>().Call({lent});
    take_back();
    return result;
  } catch (...) {
    take_back();
    throw;
  }
}

void BpfMap::Pin(const Napi::CallbackInfo& info) {
  perigee::Pin(info.Env(), native_.fd, BpfKind::kMap, PathArgument(info[0], "path"));
}

void BpfMap::Freeze(const Napi::CallbackInfo& info) {
  if (bpf_map_freeze(RequireFd(info.Env())) != 0) ThrowMap(info.Env(), errno, "freeze map");
}

void BpfMap::Close(const Napi::CallbackInfo&) { native_.fd.reset(); }

Napi::Value BpfMap::LookupKey(Napi::Env env, const void* key) {
  const int fd = RequireFd(env);
  Napi::Buffer<uint8_t> value = Napi::Buffer<uint8_t>::New(env, native_.entry_size);
  if (bpf_map_lookup_elem(fd, key, value.Data()) == 0) return value;
  if (errno != ENOENT) ThrowMap(env, errno, "look up in map");
  return env.Undefined();
}

bool BpfMap::DeleteKey(Napi::Env env, const void* key) {
  if (bpf_map_delete_elem(RequireFd(env), key) == 0) return true;
  if (errno != ENOENT) ThrowMap(env, errno, "delete from map");
  return false;
}

void BpfMap::RequireType(Napi::Env env, bool matches, const char* wanted) const {
  if (!matches) ThrowArgument(env, "use map", native_.name, std::string("it is no ") + wanted);
}

void BpfMap::ThrowMap(Napi::Env env, int error, const char* operation) const {
  Throw(env, "ERR_BPF_MAP", error, operation, native_.name);
}

}  // namespace perigee
