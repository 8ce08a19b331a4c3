// SPDX-License-Identifier: Apache-2.0
#include "arenacache/handover/request_slots.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <ranges>
#include <utility>

#include "arenacache/base/result.h"
#include "format.h"

namespace arenacache::handover {

namespace {

/// A room of which more was touched gives its memory back, beyond a few that are kept for the next large writes.
constexpr std::size_t kSmallRoom = std::size_t{64} * 1024;
constexpr std::size_t kLargeKept = 16;
/// How many rooms are made ready for large requests: enough for those that are read at any time, in a bounded amount of memory.
constexpr std::size_t kMostMapped = 64;

template <class T>
std::atomic_ref<T> shared(T& value) {
  return std::atomic_ref<T>(value);
}

RequestHead& head_in(std::span<std::byte> room) { return *reinterpret_cast<RequestHead*>(room.data()); }

}  // namespace

std::size_t most_kept_reply() { return kMostReply; }

std::span<std::byte> Slot::request() const {
  return room_.first(std::min<std::size_t>(head_in(room_).length, room_.size()));
}

std::uint64_t Slot::number() const { return shared(head_in(room_).number).load(std::memory_order_acquire); }

std::uint32_t Slot::opcode() const { return head_in(room_).opcode; }

void Slot::intend(std::span<const std::byte> intent) const {
  AC_CHECK(intent.size() <= kMostIntent);
  shared(page_->intent_bytes).store(0, std::memory_order_release);
  std::atomic_signal_fence(std::memory_order_seq_cst);
  std::memcpy(page_->intent, intent.data(), intent.size());
  shared(page_->intent_bytes).store(static_cast<std::uint32_t>(intent.size()), std::memory_order_release);
}

std::span<const std::byte> Slot::earlier_intent() const {
  if (!is_left_) return {};
  return std::span(page_->intent).first(std::min<std::size_t>(page_->intent_bytes, kMostIntent));
}

void Slot::keep_reply(std::span<const std::span<const std::byte>> parts) const {
  std::size_t total = 0;
  for (const auto& part : parts) total += part.size();
  if (total > kMostReply) return;
  std::byte* at = page_->reply;
  for (const auto& part : parts) {
    if (part.empty()) continue;
    std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  page_->reply_bytes = static_cast<std::uint32_t>(total);
  shared(*state_).store(SlotState::answered, std::memory_order_release);
}

std::span<const std::byte> Slot::reply() const {
  if (shared(*state_).load(std::memory_order_acquire) != SlotState::answered) return {};
  return std::span(page_->reply).first(std::min<std::size_t>(page_->reply_bytes, kMostReply));
}

void Slot::settle() const { shared(*state_).store(SlotState::free, std::memory_order_release); }

bool Slot::is_settled() const { return shared(*state_).load(std::memory_order_acquire) == SlotState::free; }

void Slot::begin() {
  shared(head_in(room_).number).store(0, std::memory_order_relaxed);
  page_->intent_bytes = 0;
  page_->crashes = 0;
  is_left_ = false;
  holders_.store(1, std::memory_order_relaxed);
  shared(*state_).store(SlotState::open, std::memory_order_release);
}

RequestSlots::RequestSlots(const Memory& memory) : file_(memory.file), rooms_at_(memory.rooms_at), slots_(kSlots) {
  const base::MutexLock lock(mutex_);
  free_.reserve(kSlots);
  for (std::size_t index = 0; index < kSlots; ++index) {
    Slot& slot = slots_[index];
    slot.state_ = reinterpret_cast<SlotState*>(memory.states.data()) + index;
    slot.page_ = reinterpret_cast<SlotPage*>(memory.pages.data() + index * kSlotBytes);
    slot.room_ = memory.rooms.subspan(index * kRoomBytes, kRoomBytes);
  }
  for (Slot& slot : slots_ | std::views::reverse) {
    if (shared(*slot.state_).load(std::memory_order_acquire) == SlotState::free) free_.push_back(&slot);
  }
}

Slot* RequestSlots::take() {
  Slot* slot = nullptr;
  bool must_map = false;
  {
    base::MutexLock lock(mutex_);
    while (free_.empty() && !is_closed_) came_back_.wait(lock);
    if (is_closed_) return nullptr;
    slot = free_.back();
    free_.pop_back();
    if (slot->touched_ > kSmallRoom) --large_free_;
    must_map = !slot->is_mapped_ && mapped_ < kMostMapped;
    if (must_map) ++mapped_;
  }
  if (must_map) {
    // Where the kernel has to make pages while it hands a large request over, a SIGKILL in between makes it give up: an error
    // for the program. Those that are there already it just writes to.
    ::madvise(slot->room_.data(), slot->room_.size(), MADV_POPULATE_WRITE);
    slot->is_mapped_ = true;
    slot->touched_ = slot->room_.size();
  }
  slot->begin();
  return slot;
}

void RequestSlots::close() {
  const base::MutexLock lock(mutex_);
  is_closed_ = true;
  came_back_.notify_all();
}

void RequestSlots::give_back(Slot& slot) {
  if (!slot.is_settled()) return;
  bool is_large = slot.touched_ > kSmallRoom;
  if (is_large) {
    {
      const base::MutexLock lock(mutex_);
      is_large = large_free_ < kLargeKept;
      if (is_large) ++large_free_;
    }
    if (!is_large) {
      const auto at = rooms_at_ + static_cast<std::uint64_t>(&slot - slots_.data()) * kRoomBytes;
      // A failure costs memory, nothing else.
      static_cast<void>(::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(at + kPage),
                                    static_cast<off_t>(kRoomBytes - kPage)));
      slot.touched_ = kPage;
      const base::MutexLock lock(mutex_);
      if (std::exchange(slot.is_mapped_, false)) --mapped_;
    }
  }
  const base::MutexLock lock(mutex_);
  free_.push_back(&slot);
  came_back_.notify_one();
}

std::vector<Slot*> RequestSlots::left() {
  std::vector<Slot*> found;
  for (Slot& slot : slots_) {
    if (shared(*slot.state_).load(std::memory_order_acquire) == SlotState::free) continue;
    slot.holders_.store(1, std::memory_order_relaxed);
    slot.is_left_ = true;
    const RequestHead& head = head_in(slot.room_);
    if (slot.number() == 0 || head.length < sizeof(RequestHead) || head.length > kRoomBytes) {
      slot.settle();
      give_back(slot);
      continue;
    }
    slot.note_read(head.length);
    found.push_back(&slot);
  }
  std::ranges::sort(found, {}, [](const Slot* slot) { return slot->number(); });
  return found;
}

unsigned RequestSlots::note_crash(const Slot& slot) { return ++slot.page_->crashes; }

void RequestSlots::forgive(const Slot& slot) { slot.page_->crashes = 0; }

}  // namespace arenacache::handover
