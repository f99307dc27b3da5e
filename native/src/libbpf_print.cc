// SPDX-License-Identifier: Apache-2.0
#include "libbpf_print.h"

#include <bpf/libbpf.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace perigee {
namespace {

// libbpf has one print hook per process: the reason for the only statics of the addon.
std::once_flag installed;
thread_local LibbpfCapture* current = nullptr;

int Print(enum libbpf_print_level level, const char* format, va_list arguments) {
  if (current == nullptr || level != LIBBPF_WARN) return 0;
  va_list copy;
  va_copy(copy, arguments);
  const int size = vsnprintf(nullptr, 0, format, copy);
  va_end(copy);
  if (size <= 0) return 0;
  std::string text(static_cast<size_t>(size) + 1, '\0');
  vsnprintf(text.data(), text.size(), format, arguments);
  text.resize(static_cast<size_t>(size));
  constexpr char kPrefix[] = "libbpf: ";
  if (text.compare(0, sizeof(kPrefix) - 1, kPrefix) == 0) text.erase(0, sizeof(kPrefix) - 1);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  current->Append(std::move(text));
  return size;
}

}  // namespace

void InstallLibbpfPrint() {
  std::call_once(installed, [] { libbpf_set_print(Print); });
}

LibbpfCapture::LibbpfCapture() : outer_(current) { current = this; }
LibbpfCapture::~LibbpfCapture() { current = outer_; }

}  // namespace perigee
