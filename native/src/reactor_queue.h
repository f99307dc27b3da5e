// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

namespace perigee {

struct Chunk {
  Chunk* next;
  uint32_t begin;
  uint32_t end;
  uint8_t bytes[];
};

// Chunks for all queues of one reactor; keeps some for the next.
class ChunkPool {
 public:
  static constexpr size_t kChunkBytes = 16 * 1024 - sizeof(Chunk);

  ChunkPool() = default;
  ChunkPool(const ChunkPool&) = delete;
  ChunkPool& operator=(const ChunkPool&) = delete;
  ~ChunkPool();

  // nullptr if memory is short.
  Chunk* Take();
  void Give(Chunk* chunk);

  // Bytes in all queues.
  size_t queued_bytes = 0;

 private:
  static constexpr size_t kKept = 256;
  Chunk* free_ = nullptr;
  size_t kept_ = 0;
};

// Output that the kernel didn't take yet.
class OutQueue {
 public:
  bool empty() const { return size_ == 0; }
  size_t size() const { return size_; }
  // False if memory is short.
  bool Append(ChunkPool& pool, const uint8_t* bytes, size_t length);
  // Fills at most `max` vectors from the front, returns how many.
  int Front(iovec* vectors, int max) const;
  void Consume(ChunkPool& pool, size_t length);
  void Clear(ChunkPool& pool);

 private:
  Chunk* head_ = nullptr;
  Chunk* tail_ = nullptr;
  size_t size_ = 0;
};

}  // namespace perigee
