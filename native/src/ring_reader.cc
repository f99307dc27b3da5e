// SPDX-License-Identifier: Apache-2.0
#include "ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>

namespace perigee {
namespace {

uint64_t LoadAcquire(const void* at) {
  return __atomic_load_n(static_cast<const unsigned long*>(at), __ATOMIC_ACQUIRE);
}

}  // namespace

std::unique_ptr<RingReader> RingReader::Open(UniqueFd fd, uint32_t size, int& error) {
  std::unique_ptr<RingReader> reader(new RingReader(std::move(fd), size));
  reader->page_ = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  const int map = reader->fd_.get();
  void* consumer = mmap(nullptr, reader->page_, PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  if (consumer == MAP_FAILED) {
    error = errno;
    return nullptr;
  }
  reader->consumer_ = consumer;
  // The data pages follow twice over, so that a record which wraps around reads as one piece.
  void* producer = mmap(nullptr, reader->page_ + 2 * size_t{size}, PROT_READ, MAP_SHARED, map,
                        static_cast<off_t>(reader->page_));
  if (producer == MAP_FAILED) {
    error = errno;
    return nullptr;
  }
  reader->producer_ = producer;
  return reader;
}

RingReader::~RingReader() {
  if (producer_ != nullptr) munmap(producer_, page_ + 2 * size_t{size_});
  if (consumer_ != nullptr) munmap(consumer_, page_);
}

struct RingReader::Record {
  const uint8_t* bytes;
  uint32_t length;
  bool busy;
  bool discarded;
  unsigned long next;
};

RingReader::Record RingReader::At(unsigned long position) const {
  const uint8_t* header = static_cast<const uint8_t*>(producer_) + page_ + (position & (size_ - 1));
  const uint32_t word = __atomic_load_n(reinterpret_cast<const uint32_t*>(header), __ATOMIC_ACQUIRE);
  const uint32_t length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
  return {.bytes = header + BPF_RINGBUF_HDR_SZ,
          .length = length,
          .busy = (word & BPF_RINGBUF_BUSY_BIT) != 0,
          .discarded = (word & BPF_RINGBUF_DISCARD_BIT) != 0,
          .next = position + ((length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul)};
}

bool RingReader::Take(size_t limit, uint8_t* to, std::vector<uint32_t>& offsets) {
  const unsigned long start = __atomic_load_n(static_cast<unsigned long*>(consumer_), __ATOMIC_RELAXED);
  const unsigned long end = LoadAcquire(producer_);
  unsigned long position = start;
  offsets.assign(1, 0);
  while (position < end && offsets.size() <= limit) {
    const Record record = At(position);
    // The kernel writes no record that ends elsewhere: what says so would be copied beyond both memories.
    if (record.busy || record.next > end) break;
    if (!record.discarded) {
      if (record.length > size_ - offsets.back()) break;
      std::copy_n(record.bytes, record.length, to + offsets.back());
      offsets.push_back(offsets.back() + record.length);
    }
    position = record.next;
  }
  __atomic_store_n(static_cast<unsigned long*>(consumer_), position, __ATOMIC_RELEASE);
  return position != start;
}

uint64_t RingReader::Pending() const { return LoadAcquire(producer_) - LoadAcquire(consumer_); }

}  // namespace perigee
