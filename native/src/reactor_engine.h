// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/epoll.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "reactor_protocol.h"
#include "reactor_queue.h"
#include "reactor_slots.h"
#include "unique_fd.h"

namespace perigee {

struct ReactorLimits {
  uint32_t sockets;
  uint32_t read_bytes;
  uint32_t turn_sockets;
  uint32_t turn_accepts;
  uint32_t high_water;
  uint32_t queue_bytes;
  uint32_t linger_ms;
  uint32_t stall_ms;
};

// Arrays that belong to JavaScript and outlive the engine.
struct ReactorMemory {
  uint8_t* bytes;  // slab, then outbox
  size_t slab_bytes;
  size_t outbox_bytes;
  int32_t* events;
  int32_t event_records;
  int32_t* commands;
  int32_t command_records;
  int32_t* control;
  int32_t* table;
  double* relayed;  // bytes, by slot index
  double* stats;
};

// Sockets of one thread behind one epoll descriptor. Knows neither JavaScript nor libuv: the owner calls
// Turn() when the descriptor is readable, and gets a batch of events back through BatchHandler, at most one
// crossing a round.
class ReactorEngine {
 public:
  class BatchHandler {
   public:
    virtual void OnBatch(int32_t count) = 0;

   protected:
    ~BatchHandler() = default;
  };

  // Records that one socket may add to a batch.
  static constexpr int kEventsPerSocket = 3;

  ReactorEngine(const ReactorLimits& limits, const ReactorMemory& memory);
  ReactorEngine(const ReactorEngine&) = delete;
  ReactorEngine& operator=(const ReactorEngine&) = delete;
  ~ReactorEngine();

  int epoll_fd() const { return epoll_.get(); }

  // These return a negative errno if they fail.
  int Listen(int fd, int32_t tag);
  int Unlisten(int fd);
  int32_t Adopt(int fd);

  void Turn(BatchHandler& handler);
  // Carries out the commands that are in the array.
  void Flush();
  // Closes all sockets. The handler is not called again.
  void Close();

  // Something is left to report although epoll won't say so.
  bool HasPending() const { return !pending_.empty(); }
  // Housekeep() has work to do later.
  bool NeedsTimer() const { return !lingering_.empty() || !stalled_.empty() || accept_resume_ms_ != 0; }
  void Housekeep();

 private:
  struct Event {
    ReactorEvent kind;
    int32_t slot;
    int32_t a;
    int32_t b;
  };
  struct Deadline {
    int32_t slot;
    uint64_t at_ms;
  };
  struct Listener {
    int fd = -1;
    int32_t tag = 0;
    bool armed = false;
  };

  // reactor_engine.cc: turns and what epoll reports.
  int Collect();
  void DeliverPending();
  int32_t EventRoom() const { return memory_.event_records - event_count_; }
  void Emit(ReactorEvent kind, int32_t slot, int32_t a = 0, int32_t b = 0);
  void Deliver(const Event& event);
  void ReleaseDead();
  void OnSocket(Slot& slot, uint32_t mask);
  void Read(Slot& slot, uint32_t mask);
  void OnHangUp(Slot& slot);
  void PublishStats();

  // reactor_socket.cc: life of a socket.
  uint32_t Interest(const Slot& slot) const;
  int Register(Slot& slot);
  // False: the slot is gone.
  bool UpdateInterest(Slot& slot);
  void FinishConnect(Slot& slot);
  void Fail(Slot& slot, int error);
  void Terminate(Slot& slot);
  void Drop(Slot& slot);
  void Abort(Slot& slot);
  void BeginClose(Slot& slot);
  bool BeginLinger(Slot& slot);
  void OnReleasedSocket(Slot& slot, uint32_t mask);

  // reactor_output.cc: sending. False: the slot is gone.
  bool Write(Slot& slot, iovec* parts, int count);
  bool FlushQueue(Slot& slot);
  bool OnWriteError(Slot& slot, int error);
  void SendFin(Slot& slot);

  // reactor_commands.cc
  void RunCommands();
  int32_t RunSends(int32_t first, int32_t count);
  void RunCommand(ReactorCommand command, int32_t id, int32_t a, int32_t b);
  void Connect(Slot& slot, int32_t offset, int32_t target);
  void Release(int32_t id, bool abort);

  // reactor_accept.cc
  void Accept(size_t index);
  int ArmListener(size_t index);
  void SuspendAccepting();

  // reactor_relay.cc
  void StartRelay(Slot& slot, Slot& other);
  void OnRelaySocket(Slot& slot, uint32_t mask);
  void Carry(Slot& slot);
  bool EndRelayIfDone(Slot& slot);
  void EndRelay(Slot& slot, int error);

  const ReactorLimits limits_;
  const ReactorMemory memory_;
  UniqueFd epoll_;
  ChunkPool pool_;
  SlotTable slots_;
  std::vector<Listener> listeners_;
  std::vector<epoll_event> ready_;
  std::unique_ptr<uint8_t[]> scratch_;  // of kScratchBytes: what is discarded or relayed

  size_t open_sockets_ = 0;
  bool collecting_ = false;
  bool in_turn_ = false;
  bool closed_ = false;
  int32_t event_count_ = 0;
  uint32_t accepted_ = 0;  // in this turn
  size_t slab_used_ = 0;
  std::deque<Event> pending_;
  std::vector<Slot*> dead_;  // their end is in this batch
  std::deque<Deadline> lingering_;
  std::deque<Deadline> stalled_;
  uint64_t accept_resume_ms_ = 0;  // 0: accepting
};

constexpr size_t kScratchBytes = 256 * 1024;
// epoll's user data is a slot, or a listener's index with this bit.
constexpr uint64_t kListenerBit = uint64_t{1} << 32;

uint64_t MonotonicMs();
// SO_ERROR, cleared by reading.
int TakeSocketError(int fd);
// close() will send a RST.
void SetHardLinger(int fd);

}  // namespace perigee
