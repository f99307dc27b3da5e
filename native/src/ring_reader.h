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

  // Finds up to `limit` records that are whole: in what Take copies, record i is [offsets[i], offsets[i +
  // 1]). Returns whether there is anything to take.
  bool Find(size_t limit, std::vector<uint32_t>& offsets);

  // Copies those records out, one behind the other, and frees their place in the ring.
  void Take(uint8_t* to);

  // Bytes that wait, headers included.
  uint64_t Pending() const;

 private:
  struct Record;

  RingReader(UniqueFd fd, uint32_t size) : fd_(std::move(fd)), size_(size) {}

  Record At(unsigned long position) const;

  UniqueFd fd_;
  uint32_t size_;  // a power of two
  size_t page_ = 0;
  unsigned long found_end_ = 0;
  void* consumer_ = nullptr;
  void* producer_ = nullptr;
};

}  // namespace perigee
