// SPDX-License-Identifier: Apache-2.0
// RequestSlots: each request of the kernel lies in a slot from the read(2) that brought it until its answer is with the kernel.
// Promises: a worker may die at any instruction: the next one finds every unanswered request whole, with what the operation
// noted before it began to change something (the intent), or with the answer that may not have reached the kernel.
// Owner: Area. Threads: any; one slot is held by the thread that read it and by its Reply. Locks: one mutex, for the list of
// free slots. Never: copies a request.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arenacache/base/mutex.h"

namespace arenacache::handover {

struct SlotPage;
enum class SlotState : std::uint32_t;

/// A request that was answered with more than this (bytes, head included) only looked: it can be run again.
[[nodiscard]] std::size_t most_kept_reply();

class RequestSlots;

class Slot {
 public:
  /// Where read(2) puts a request; and the request itself.
  [[nodiscard]] std::span<std::byte> room() const { return room_; }
  [[nodiscard]] std::span<std::byte> request() const;
  /// The kernel's number of the request in it; 0: none.
  [[nodiscard]] std::uint64_t number() const;
  [[nodiscard]] std::uint32_t opcode() const;

  /// What the operation is about to change, noted before it does: at most 192 bytes. Later notes take the place of earlier ones.
  void intend(std::span<const std::byte> intent) const;
  /// The request in it was read by an earlier worker.
  [[nodiscard]] bool was_left() const { return is_left_; }
  /// The note of an earlier worker's; empty: it did not get so far, or the request is new.
  [[nodiscard]] std::span<const std::byte> earlier_intent() const;
  /// Keeps the answer before the kernel is given it; one that is longer than most_kept_reply() is not kept.
  void keep_reply(std::span<const std::span<const std::byte>> parts) const;
  /// What was kept; empty: nothing.
  [[nodiscard]] std::span<const std::byte> reply() const;
  /// The kernel has the answer, or none is due: nobody need look at it again.
  void settle() const;
  [[nodiscard]] bool is_settled() const;

  /// One more holder. The slot is given back when the last one lets go.
  void hold() { holders_.fetch_add(1, std::memory_order_relaxed); }
  /// True: it was the last one, and the caller may begin() with the slot, or give it back.
  [[nodiscard]] bool let_go() { return holders_.fetch_sub(1, std::memory_order_acq_rel) == 1; }
  /// Makes the slot ready for read(2), with one holder.
  void begin();
  /// What read(2) said: how much of the room was touched.
  void note_read(std::size_t bytes) { touched_ = bytes > touched_ ? bytes : touched_; }

 private:
  friend class RequestSlots;
  SlotState* state_ = nullptr;
  SlotPage* page_ = nullptr;
  std::span<std::byte> room_;
  std::atomic<std::uint32_t> holders_{0};
  std::size_t touched_ = 0;
  bool is_mapped_ = false;  ///< this process has pages for all of the room
  bool is_left_ = false;  ///< by an earlier worker
};

class RequestSlots {
 public:
  /// The three lie in the area's file `file`, whose lengths belong to each other; `rooms_at` is where there.
  struct Memory {
    std::span<std::byte> states, pages, rooms;
    int file = -1;
    std::uint64_t rooms_at = 0;
  };
  explicit RequestSlots(const Memory& memory);

  /// Waits while all are taken. The caller is its one holder. Null: close() was called.
  Slot* take();
  /// Nobody waits in take() any more.
  void close();
  /// A slot without holders. One that is not settled stays as it is: the next worker's.
  void give_back(Slot& slot);

  /// What earlier workers left, oldest request first: unanswered, or with reply(). Each is held once, for the caller. Call once,
  /// before take().
  [[nodiscard]] std::vector<Slot*> left();
  /// Notes one more crash of a worker while the request waited; returns how many that makes.
  static unsigned note_crash(const Slot& slot);
  /// An orderly hand-over in between: the count begins anew.
  static void forgive(const Slot& slot);

 private:
  const int file_;
  const std::uint64_t rooms_at_;
  std::vector<Slot> slots_;
  base::Mutex mutex_;
  base::CondVar came_back_;
  std::vector<Slot*> free_ AC_GUARDED_BY(mutex_);  ///< what was used last at the end
  std::size_t large_free_ AC_GUARDED_BY(mutex_) = 0;  ///< of those, how many have much memory
  std::size_t mapped_ AC_GUARDED_BY(mutex_) = 0;  ///< of all, how many are
  bool is_closed_ AC_GUARDED_BY(mutex_) = false;
};

}  // namespace arenacache::handover
