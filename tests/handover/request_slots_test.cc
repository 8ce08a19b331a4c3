// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "area_fixture.h"

namespace arenacache::handover {
namespace {

class RequestSlotsTest : public AreaTest {
 protected:
  [[nodiscard]] std::uint64_t memory_bytes() const {
    struct ::stat about{};
    EXPECT_EQ(::fstat(file_.get(), &about), 0);
    return static_cast<std::uint64_t>(about.st_blocks) * 512;
  }
};

TEST_F(RequestSlotsTest, WhatWasNotAnsweredIsLeftOldestFirst) {
  for (const std::uint64_t number : {30U, 10U, 20U}) receive(*area_->slots().take(), number, 3);
  static_cast<void>(area_->slots().take());  // a thread that waits for a request
  Slot& settled = *area_->slots().take();
  receive(settled, 5, 3);
  settled.settle();
  next_worker();
  const auto left = area_->slots().left();
  std::vector<std::uint64_t> numbers;
  for (const Slot* slot : left) numbers.push_back(slot->number());
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{10, 20, 30}));
  EXPECT_EQ(left.front()->request().size(), 64U);
  EXPECT_EQ(left.front()->opcode(), 3U);
}

TEST_F(RequestSlotsTest, AnIntentIsSeenByTheNextWorkerOnly) {
  Slot& slot = *area_->slots().take();
  receive(slot, 10, 9);
  slot.intend(bytes_of("first"));
  slot.intend(bytes_of("make a folder"));
  EXPECT_TRUE(slot.earlier_intent().empty());
  next_worker();
  Slot& again = *area_->slots().left().front();
  EXPECT_TRUE(std::ranges::equal(again.earlier_intent(), bytes_of("make a folder")));
  again.settle();
  ASSERT_TRUE(again.let_go());
  again.begin();
  EXPECT_TRUE(again.earlier_intent().empty()) << "another request";
}

TEST_F(RequestSlotsTest, AnAnswerThatMayNotHaveArrivedIsKept) {
  Slot& slot = *area_->slots().take();
  receive(slot, 10, 9);
  const auto head = bytes_of("head "), body = bytes_of("body");
  const std::array<std::span<const std::byte>, 2> parts{head, body};
  slot.keep_reply(parts);
  next_worker();
  const auto left = area_->slots().left();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_TRUE(std::ranges::equal(left.front()->reply(), bytes_of("head body")));
}

TEST_F(RequestSlotsTest, ALongAnswerIsNotKeptAndItsRequestRunsAgain) {
  Slot& slot = *area_->slots().take();
  receive(slot, 10, 15);
  const std::vector<std::byte> data(most_kept_reply() + 1);
  const std::array<std::span<const std::byte>, 1> parts{data};
  slot.keep_reply(parts);
  next_worker();
  const auto left = area_->slots().left();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_TRUE(left.front()->reply().empty());
}

TEST_F(RequestSlotsTest, CrashesAreCountedOverWorkers) {
  receive(*area_->slots().take(), 10, 3);
  next_worker();
  EXPECT_EQ(RequestSlots::note_crash(*area_->slots().left().front()), 1U);
  next_worker();
  Slot& slot = *area_->slots().left().front();
  EXPECT_EQ(RequestSlots::note_crash(slot), 2U);
  RequestSlots::forgive(slot);
  EXPECT_EQ(RequestSlots::note_crash(slot), 1U);
}

TEST_F(RequestSlotsTest, AnUnansweredSlotIsNeverGivenToAnotherRequest) {
  Slot& slot = *area_->slots().take();
  receive(slot, 10, 3);
  ASSERT_TRUE(slot.let_go());
  area_->slots().give_back(slot);
  for (int i = 0; i < 8; ++i) EXPECT_NE(area_->slots().take(), &slot);
  next_worker();
  EXPECT_EQ(area_->slots().left().size(), 1U);
}

TEST_F(RequestSlotsTest, GarbageInASlotIsDropped) {
  Slot& slot = *area_->slots().take();
  receive(slot, 10, 3);
  const std::uint32_t length = ~0U;
  std::memcpy(slot.room().data(), &length, sizeof length);
  next_worker();
  EXPECT_TRUE(area_->slots().left().empty());
}

TEST_F(RequestSlotsTest, LargeRequestsGiveTheirMemoryBack) {
  std::vector<Slot*> taken;
  for (int i = 0; i < 64; ++i) {
    Slot& slot = *area_->slots().take();
    std::ranges::fill(slot.room(), std::byte{1});
    slot.note_read(slot.room().size());
    taken.push_back(&slot);
  }
  EXPECT_GT(memory_bytes(), 64U << 20);
  for (Slot* slot : taken) {
    slot->settle();
    ASSERT_TRUE(slot->let_go());
    area_->slots().give_back(*slot);
  }
  EXPECT_LT(memory_bytes(), 20U << 20);
}

TEST_F(RequestSlotsTest, WhoFindsNoneFreeWaitsForOne) {
  std::vector<Slot*> taken;
  for (int i = 0; i < 4096; ++i) taken.push_back(area_->slots().take());
  Slot* got = nullptr;
  std::thread waiting([&] { got = area_->slots().take(); });
  taken.back()->settle();
  ASSERT_TRUE(taken.back()->let_go());
  area_->slots().give_back(*taken.back());
  waiting.join();
  EXPECT_EQ(got, taken.back());
}

}  // namespace
}  // namespace arenacache::handover
