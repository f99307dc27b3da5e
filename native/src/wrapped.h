// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include "addon.h"
#include "fault.h"

namespace perigee {

// A JavaScript object around a native handle. Only native code makes one: `new` from JavaScript throws. Type
// tags keep an object of one class from being taken for another's (methods are safe already: V8 checks their
// receiver).
//
// T gives: `static constexpr const char* kNoun`, `static constexpr napi_type_tag kTag`,
// `static Napi::FunctionReference& Constructor(AddonData&)`.
template <typename T, typename Native>
class Wrapped : public Napi::ObjectWrap<T> {
 public:
  static Napi::Object Wrap(Napi::Env env, Native native) {
    AddonData& data = AddonData::Of(env);
    data.pending = &native;
    try {
      Napi::Object object = T::Constructor(data).New({});
      data.pending = nullptr;
      return object;
    } catch (...) {
      data.pending = nullptr;
      throw;
    }
  }

  static T& From(const Napi::Value& value, const char* what) {
    if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&T::kTag)) {
      ThrowArgument(value.Env(), "read argument", what, std::string("wants a ") + T::kNoun);
    }
    return *Napi::ObjectWrap<T>::Unwrap(value.As<Napi::Object>());
  }

 protected:
  explicit Wrapped(const Napi::CallbackInfo& info) : Napi::ObjectWrap<T>(info), native_(Take(info)) {
    this->Value().TypeTag(&T::kTag);
  }

  // A constant of the object, as a plain property.
  void Constant(const char* name, const Napi::Value& value) {
    this->Value().DefineProperty(Napi::PropertyDescriptor::Value(name, value, napi_enumerable));
  }

  Native native_;

 private:
  static Native Take(const Napi::CallbackInfo& info) {
    AddonData& data = AddonData::Of(info.Env());
    if (data.pending == nullptr) {
      ThrowArgument(info.Env(), "construct", T::kNoun, "it is made by a static method, not by new");
    }
    Native* native = static_cast<Native*>(data.pending);
    data.pending = nullptr;
    return std::move(*native);
  }
};

}  // namespace perigee
