// SPDX-License-Identifier: Apache-2.0
#include "bpf_object.h"

#include <cerrno>

#include "arguments.h"
#include "bpf_map.h"
#include "bpf_program.h"
#include "libbpf_print.h"
#include "verifier_log.h"

namespace perigee {
namespace {

// libbpf calls internal maps "<object>.rodata", with the object's name cut to fit.
std::string MapName(const bpf_map* map) {
  const std::string name = bpf_map__name(map);
  const size_t dot = name.find('.');
  return bpf_map__is_internal(map) && dot != std::string::npos ? name.substr(dot) : name;
}

}  // namespace

void BpfObject::Define(Napi::Env env, Napi::Object exports) {
  Napi::Function constructor =
      DefineClass(env, kNoun,
                  {
                      StaticMethod<&BpfObject::Open>("open"),
                      InstanceMethod<&BpfObject::SetReadOnlyData>("setReadOnlyData"),
                      InstanceMethod<&BpfObject::ReadOnlyData>("readOnlyData"),
                      InstanceMethod<&BpfObject::SetMaxEntries>("setMaxEntries"),
                      InstanceMethod<&BpfObject::SetAutoload>("setAutoload"),
                      InstanceMethod<&BpfObject::ReuseMap>("reuseMap"),
                      InstanceMethod<&BpfObject::Load>("load"),
                      InstanceMethod<&BpfObject::Map>("map"),
                      InstanceMethod<&BpfObject::Program>("program"),
                      InstanceMethod<&BpfObject::Close>("close"),
                      InstanceMethod<&BpfObject::Close>(Napi::Symbol::WellKnown(env, "dispose")),
                  });
  Constructor(AddonData::Of(env)) = Napi::Persistent(constructor);
  exports.Set(kNoun, constructor);
}

void InitBpfObject(Napi::Env env, Napi::Object exports) { BpfObject::Define(env, exports); }

BpfObject::BpfObject(const Napi::CallbackInfo& info) : Wrapped(info) {
  Napi::Env env = info.Env();
  Napi::Array maps = Napi::Array::New(env);
  Napi::Array programs = Napi::Array::New(env);
  bpf_map* map;
  bpf_object__for_each_map(map, native_.object.get()) maps.Set(maps.Length(), MapName(map));
  bpf_program* program;
  bpf_object__for_each_program(program, native_.object.get()) {
    programs.Set(programs.Length(), bpf_program__name(program));
  }
  Constant("path", Napi::String::New(env, native_.path));
  Constant("maps", maps);
  Constant("programs", programs);
}

Napi::Value BpfObject::Open(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  ObjectHandle handle;
  handle.path = PathArgument(info[0], "path");
  std::string pin_root;
  std::string kconfig;
  LIBBPF_OPTS(bpf_object_open_opts, options);
  if (!IsAbsent(info[1])) {
    Napi::Value root = ObjectArgument(info[1], "options").Get("pinRoot");
    if (!IsAbsent(root)) {
      pin_root = PathArgument(root, "pinRoot");
      options.pin_root_path = pin_root.c_str();
    }
    Napi::Value switches = ObjectArgument(info[1], "options").Get("kconfig");
    if (!IsAbsent(switches)) {
      kconfig = StringArgument(switches, "kconfig");
      options.kconfig = kconfig.c_str();
    }
  }
  LibbpfCapture capture;
  handle.object.reset(bpf_object__open_file(handle.path.c_str(), &options));
  if (!handle.object) {
    Fault fault;
    fault.code = "ERR_BPF_OPEN";
    fault.error = errno;
    fault.operation = "open object";
    fault.object = handle.path;
    fault.warnings = capture.messages();
    Throw(env, fault);
  }
  return Wrap(env, std::move(handle));
}

void BpfObject::SetReadOnlyData(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireUnloaded(env, "set read-only data of");
  bpf_map* map = FindMap(env, ".rodata");
  size_t size = 0;
  bpf_map__initial_value(map, &size);
  ByteView bytes = BytesArgument(info[0], size, "read-only data");
  const int error = bpf_map__set_initial_value(map, bytes.data, bytes.size);
  if (error != 0) Throw(env, "ERR_BPF_OPEN", -error, "set read-only data of", native_.path);
}

Napi::Value BpfObject::ReadOnlyData(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bpf_map* map;
  bpf_object__for_each_map(map, Require(env)) {
    if (MapName(map) != ".rodata") continue;
    size_t size = 0;
    const void* bytes = bpf_map__initial_value(map, &size);
    return Napi::Buffer<uint8_t>::Copy(env, static_cast<const uint8_t*>(bytes), bytes == nullptr ? 0 : size);
  }
  return Napi::Buffer<uint8_t>::New(env, 0);
}

void BpfObject::SetMaxEntries(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireUnloaded(env, "set max entries in");
  const std::string name = StringArgument(info[0], "map");
  bpf_map* map = FindMap(env, name);
  const int error = bpf_map__set_max_entries(map, UintArgument(info[1], "entries", 1));
  if (error != 0) Throw(env, "ERR_BPF_OPEN", -error, "set max entries of map", name + " of " + native_.path);
}

void BpfObject::SetAutoload(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireUnloaded(env, "set autoload in");
  const std::string name = StringArgument(info[0], "program");
  const int error = bpf_program__set_autoload(FindProgram(env, name), BoolArgument(info[1], "autoload"));
  if (error != 0) Throw(env, "ERR_BPF_OPEN", -error, "set autoload of program", name + " of " + native_.path);
}

void BpfObject::ReuseMap(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireUnloaded(env, "reuse a map in");
  const std::string name = StringArgument(info[0], "name");
  bpf_map* declared = FindMap(env, name);
  const BpfMap& map = BpfMap::From(info[1], "map");
  const bpf_map_info& shape = map.info();
  // libbpf takes over the shape of what it is given; programs are compiled for the declared one.
  if (shape.type != bpf_map__type(declared) || shape.key_size != bpf_map__key_size(declared) ||
      shape.value_size != bpf_map__value_size(declared)) {
    ThrowArgument(env, "reuse map", name + " of " + native_.path, "type, key or value size differ");
  }
  const int error = bpf_map__reuse_fd(declared, map.RequireFd(env));
  if (error != 0) Throw(env, "ERR_BPF_MAP", -error, "reuse map", name + " of " + native_.path);
}

void BpfObject::Load(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  bpf_object* object = RequireUnloaded(env, "load");
  LibbpfCapture capture;
  const int error = bpf_object__load(object);
  if (error != 0) Throw(env, LoadFault(-error, native_.path, capture.messages()));
  native_.loaded = true;
}

Napi::Value BpfObject::Map(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireLoaded(env, "take a map from");
  const std::string name = StringArgument(info[0], "map");
  return BpfMap::Make(env, Duplicate(env, bpf_map__fd(FindMap(env, name)), BpfKind::kMap, name), name);
}

Napi::Value BpfObject::Program(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  RequireLoaded(env, "take a program from");
  const std::string name = StringArgument(info[0], "program");
  bpf_program* program = FindProgram(env, name);
  if (bpf_program__fd(program) < 0) {
    ThrowArgument(env, "take program", name + " of " + native_.path, "it wasn't loaded (autoload is off)");
  }
  ProgramHandle handle;
  handle.fd = Duplicate(env, bpf_program__fd(program), BpfKind::kProgram, name);
  handle.name = name;
  handle.section = bpf_program__section_name(program);
  handle.attach_type = bpf_program__expected_attach_type(program);
  return BpfProgram::Make(env, std::move(handle));
}

void BpfObject::Close(const Napi::CallbackInfo&) { native_.object.reset(); }

bpf_object* BpfObject::Require(Napi::Env env) const {
  if (!native_.object) Throw(env, "ERR_NATIVE_CLOSED", EBADF, "use closed object", native_.path);
  return native_.object.get();
}

bpf_object* BpfObject::RequireUnloaded(Napi::Env env, const char* operation) const {
  bpf_object* object = Require(env);
  if (native_.loaded) ThrowArgument(env, operation, native_.path, "it is loaded already");
  return object;
}

bpf_object* BpfObject::RequireLoaded(Napi::Env env, const char* operation) const {
  bpf_object* object = Require(env);
  if (!native_.loaded) ThrowArgument(env, operation, native_.path, "it isn't loaded");
  return object;
}

bpf_map* BpfObject::FindMap(Napi::Env env, const std::string& name) const {
  bpf_map* map;
  bpf_object__for_each_map(map, Require(env)) {
    if (MapName(map) == name) return map;
  }
  Throw(env, "ERR_BPF_MAP", ENOENT, "find map", name + " of " + native_.path);
}

bpf_program* BpfObject::FindProgram(Napi::Env env, const std::string& name) const {
  bpf_program* program = bpf_object__find_program_by_name(Require(env), name.c_str());
  if (program == nullptr) Throw(env, "ERR_BPF_OPEN", ENOENT, "find program", name + " of " + native_.path);
  return program;
}

}  // namespace perigee
