// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/backing_ids.h"

#include <cerrno>
#include <memory>
#include <set>

#include <gtest/gtest.h>

namespace arenacache::vfs {
namespace {

constexpr NodeId kNode{5};

/// Gives ids from 1 on, and knows which are given out.
class FakeDevice final : public BackingDevice {
 public:
  base::Result<std::int32_t> open(int /*descriptor*/) override {
    if (refuses) return base::fail_errno(base::ErrorKind::store, EPERM, "refused");
    open_ids.insert(++last_);
    return last_;
  }
  void close(std::int32_t id) override { EXPECT_EQ(open_ids.erase(id), 1U) << "an id that is not given out"; }

  bool refuses = false;
  std::set<std::int32_t> open_ids;

 private:
  std::int32_t last_ = 0;
};

class BackingIdsTest : public ::testing::Test {
 protected:
  static cache::BackingFile file(std::uint64_t key) {
    return {.key = cache::BackingKey{key}, .descriptor = 3, .owner = std::make_shared<int>(0)};
  }
  std::shared_ptr<FakeDevice> device_ = std::make_shared<FakeDevice>();
  BackingIds ids_;
};

TEST_F(BackingIdsTest, ThereAreNoneBeforeTheStart) { EXPECT_EQ(ids_.acquire(kNode, file(1)), nullptr); }

TEST_F(BackingIdsTest, OpensOfOneFileShareAnIdUntilTheLastIsGone) {
  ids_.start(device_);
  auto first = ids_.acquire(kNode, file(1));
  auto second = ids_.acquire(kNode, file(1));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->id(), second->id());
  first.reset();
  EXPECT_EQ(device_->open_ids.size(), 1U);
  second.reset();
  EXPECT_TRUE(device_->open_ids.empty());
}

TEST_F(BackingIdsTest, AnotherFileOrNodeHasAnotherId) {
  ids_.start(device_);
  const auto one = ids_.acquire(kNode, file(1));
  const auto other_file = ids_.acquire(kNode, file(2));
  const auto other_node = ids_.acquire(NodeId{6}, file(1));
  EXPECT_NE(one->id(), other_file->id());
  EXPECT_NE(one->id(), other_node->id());
}

TEST_F(BackingIdsTest, SharingFindsWhatIsOpenAndNothingElse) {
  ids_.start(device_);
  auto one = ids_.acquire(kNode, file(1));
  const auto shared = ids_.share(kNode, cache::BackingKey{1});
  ASSERT_TRUE(shared);
  EXPECT_EQ(shared->id(), one->id());
  EXPECT_EQ(ids_.share(kNode, cache::BackingKey{2}), nullptr);
}

TEST_F(BackingIdsTest, FileStaysOpenWhileAnOpenHasIt) {
  ids_.start(device_);
  auto backing = file(1);
  const std::weak_ptr<const void> owner = backing.owner;
  auto hold = ids_.acquire(kNode, backing);
  backing.owner.reset();
  EXPECT_FALSE(owner.expired());
  hold.reset();
  EXPECT_TRUE(owner.expired());
}

TEST_F(BackingIdsTest, AnIdOfAnEarlierWorkerIsGivenBackUnlessAnOpenHasIt) {
  ids_.start(device_);
  device_->open_ids = {70, 71};
  const auto adopted = ids_.adopt(kNode, cache::BackingKey{1}, 70);
  ids_.give_back(kNode, cache::BackingKey{1}, 70);
  ids_.give_back(kNode, cache::BackingKey{1}, 71);
  EXPECT_EQ(device_->open_ids, std::set{70});
  EXPECT_EQ(ids_.share(kNode, cache::BackingKey{1})->id(), 70);
}

TEST_F(BackingIdsTest, WhatTheKernelRefusesIsServed) {
  device_->refuses = true;
  ids_.start(device_);
  EXPECT_EQ(ids_.acquire(kNode, file(1)), nullptr);
}

TEST_F(BackingIdsTest, AfterTheStopNothingIsAskedOfTheDevice) {
  ids_.start(device_);
  auto hold = ids_.acquire(kNode, file(1));
  ids_.stop();
  hold.reset();
  EXPECT_EQ(device_->open_ids.size(), 1U) << "the connection ends, and the id with it";
}

}  // namespace
}  // namespace arenacache::vfs
