// SPDX-License-Identifier: Apache-2.0
#include "reactor_queue.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace perigee {

ChunkPool::~ChunkPool() {
  while (free_ != nullptr) {
    Chunk* chunk = free_;
    free_ = chunk->next;
    free(chunk);
  }
}

Chunk* ChunkPool::Take() {
  Chunk* chunk = free_;
  if (chunk != nullptr) {
    free_ = chunk->next;
    kept_--;
  } else {
    chunk = static_cast<Chunk*>(malloc(sizeof(Chunk) + kChunkBytes));
    if (chunk == nullptr) return nullptr;
  }
  chunk->next = nullptr;
  chunk->begin = 0;
  chunk->end = 0;
  return chunk;
}

void ChunkPool::Give(Chunk* chunk) {
  if (kept_ == kKept) {
    free(chunk);
    return;
  }
  chunk->next = free_;
  free_ = chunk;
  kept_++;
}

bool OutQueue::Append(ChunkPool& pool, const uint8_t* bytes, size_t length) {
  while (length > 0) {
    if (tail_ == nullptr || tail_->end == ChunkPool::kChunkBytes) {
      Chunk* chunk = pool.Take();
      if (chunk == nullptr) return false;
      (tail_ == nullptr ? head_ : tail_->next) = chunk;
      tail_ = chunk;
    }
    const size_t part = std::min(length, ChunkPool::kChunkBytes - tail_->end);
    memcpy(tail_->bytes + tail_->end, bytes, part);
    tail_->end += static_cast<uint32_t>(part);
    bytes += part;
    length -= part;
    size_ += part;
    pool.queued_bytes += part;
  }
  return true;
}

int OutQueue::Front(iovec* vectors, int max) const {
  int count = 0;
  for (Chunk* chunk = head_; chunk != nullptr && count < max; chunk = chunk->next) {
    vectors[count++] = {chunk->bytes + chunk->begin, chunk->end - chunk->begin};
  }
  return count;
}

void OutQueue::Consume(ChunkPool& pool, size_t length) {
  size_ -= length;
  pool.queued_bytes -= length;
  while (head_ != nullptr) {
    const size_t part = std::min<size_t>(length, head_->end - head_->begin);
    head_->begin += static_cast<uint32_t>(part);
    length -= part;
    if (head_->begin < head_->end) return;
    Chunk* done = head_;
    head_ = done->next;
    pool.Give(done);
  }
  tail_ = nullptr;
}

void OutQueue::Clear(ChunkPool& pool) {
  if (head_ != nullptr) Consume(pool, size_);
}

}  // namespace perigee
