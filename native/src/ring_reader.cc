// SPDX-License-Identifier: Apache-2.0
#include "ring_reader.h"

#include <linux/bpf.h>
#include <sys/mman.h>

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

RingRecords RingReader::Read(size_t limit) {
  RingRecords records;
  const uint8_t* data = static_cast<const uint8_t*>(producer_) + page_;
  unsigned long position = __atomic_load_n(static_cast<unsigned long*>(consumer_), __ATOMIC_RELAXED);
  const unsigned long end = LoadAcquire(producer_);
  while (position < end && records.count() < limit) {
    const uint8_t* header = data + (position & (size_ - 1));
    const uint32_t word = __atomic_load_n(reinterpret_cast<const uint32_t*>(header), __ATOMIC_ACQUIRE);
    if ((word & BPF_RINGBUF_BUSY_BIT) != 0) break;
    const uint32_t length = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);
    if ((word & BPF_RINGBUF_DISCARD_BIT) == 0) {
      const uint8_t* bytes = header + BPF_RINGBUF_HDR_SZ;
      records.bytes.insert(records.bytes.end(), bytes, bytes + length);
      records.offsets.push_back(static_cast<uint32_t>(records.bytes.size()));
    }
    position += (length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul;
  }
  __atomic_store_n(static_cast<unsigned long*>(consumer_), position, __ATOMIC_RELEASE);
  return records;
}

uint64_t RingReader::Pending() const { return LoadAcquire(producer_) - LoadAcquire(consumer_); }

}  // namespace perigee
