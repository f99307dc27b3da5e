// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace perigee {

// Routes libbpf's messages to the capture of the thread that causes them; without a capture they are dropped.
void InstallLibbpfPrint();

// Collects libbpf's warnings of this thread while it lives. Captures nest.
class LibbpfCapture {
 public:
  LibbpfCapture();
  ~LibbpfCapture();
  LibbpfCapture(const LibbpfCapture&) = delete;
  LibbpfCapture& operator=(const LibbpfCapture&) = delete;

  void Append(std::string text) { messages_.push_back(std::move(text)); }
  // One entry per message, "libbpf: " removed.
  const std::vector<std::string>& messages() const { return messages_; }

 private:
  LibbpfCapture* outer_;
  std::vector<std::string> messages_;
};

}  // namespace perigee
