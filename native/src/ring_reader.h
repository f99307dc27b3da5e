// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "unique_fd.h"

namespace perigee {

// The consumer's side of one BPF_MAP_TYPE_RINGBUF, read from its pages. libbpf's reader can't stop after n
// records (before 1.5), doesn't tell what waits, and serves the first ring first; hence our own.
class RingReader {
 public:
  // Takes the descriptor. On failure the result is null and `error` an errno.
  static std::unique_ptr<RingReader> Open(UniqueFd fd, uint32_t size, int& error);
  ~RingReader();
  RingReader(const RingReader&) = delete;
  RingReader& operator=(const RingReader&) = delete;

  int fd() const { return fd_.get(); }
  uint32_t size() const { return size_; }

  // Copies up to `limit` records that are whole to memory as large as the ring, one behind the other: record
  // i is [offsets[i], offsets[i + 1]). Their place in the ring is free then. Returns whether there were any,
  // be it discarded ones.
  bool Take(size_t limit, uint8_t* to, std::vector<uint32_t>& offsets);

  // Bytes that wait, headers included.
  uint64_t Pending() const;

 private:
  struct Record;

  RingReader(UniqueFd fd, uint32_t size) : fd_(std::move(fd)), size_(size) {}

  Record At(unsigned long position) const;

  UniqueFd fd_;
  uint32_t size_;  // a power of two
  size_t page_ = 0;
  void* consumer_ = nullptr;
  void* producer_ = nullptr;
};

}  // namespace perigee
