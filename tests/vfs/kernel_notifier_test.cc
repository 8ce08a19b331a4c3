// SPDX-License-Identifier: Apache-2.0
#include "kernel_notifier.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"

namespace arenacache::vfs {
namespace {

constexpr auto kDeadline = std::chrono::seconds(20);

/// Remembers what the kernel was told; holds up the notifications while it is shut.
class RecordingChannel final : public KernelChannel {
 public:
  void expire_entry(NodeId parent, const std::string& name) override {
    record(base::text(std::to_underlying(parent), '/', name));
  }
  void expire_attributes(NodeId node) override { record(base::text(std::to_underlying(node))); }
  void drop_pages(NodeId node) override { record(base::text("pages of ", std::to_underlying(node))); }

  bool wait_for(std::size_t count) {
    base::MutexLock lock(mutex_);
    const auto until = std::chrono::steady_clock::now() + kDeadline;
    while (begun_ < count) {
      if (changed_.native().wait_until(lock.native(), until) == std::cv_status::timeout) return false;
    }
    return true;
  }
  void set_shut(bool is_shut) {
    base::MutexLock lock(mutex_);
    is_shut_ = is_shut;
    changed_.notify_all();
  }
  std::vector<std::string> told() {
    base::MutexLock lock(mutex_);
    return told_;
  }

 private:
  void record(std::string what) {
    base::MutexLock lock(mutex_);
    told_.push_back(std::move(what));
    ++begun_;
    changed_.notify_all();
    while (is_shut_) changed_.wait(lock);
  }

  base::Mutex mutex_;
  base::CondVar changed_;
  std::vector<std::string> told_ AC_GUARDED_BY(mutex_);
  std::size_t begun_ AC_GUARDED_BY(mutex_) = 0;
  bool is_shut_ AC_GUARDED_BY(mutex_) = false;
};

class KernelNotifierTest : public ::testing::Test {
 protected:
  ~KernelNotifierTest() override { channel_->set_shut(false); }
  std::shared_ptr<RecordingChannel> channel_ = std::make_shared<RecordingChannel>();
  KernelNotifier notifier_;
};

TEST_F(KernelNotifierTest, TellsTheKernelInOrder) {
  notifier_.attributes_changed(NodeId{1});  // nobody to tell yet
  notifier_.attach(channel_);
  notifier_.entry_changed(NodeId{7}, "a");
  notifier_.attributes_changed(NodeId{8});
  ASSERT_TRUE(channel_->wait_for(2));
  EXPECT_EQ(channel_->told(), (std::vector<std::string>{"7/a", "8"}));
}

TEST_F(KernelNotifierTest, AnAnswerThatWasOnItsWayIsNotBelievedForLong) {
  notifier_.attach(channel_);
  notifier_.entry_changed(NodeId{7}, "a");
  notifier_.attributes_changed(NodeId{8});
  ASSERT_TRUE(channel_->wait_for(3));
  EXPECT_EQ(channel_->told(), (std::vector<std::string>{"7/a", "8", "7/a"}));
}

TEST_F(KernelNotifierTest, NobodyWaitsForAKernelThatHoldsUp) {
  notifier_.attach(channel_);
  channel_->set_shut(true);
  for (std::uint64_t i = 0; i < 200'000; ++i) notifier_.attributes_changed(NodeId{i});
  EXPECT_FALSE(notifier_.wait_for_room(std::chrono::milliseconds(1)));
  channel_->set_shut(false);
  EXPECT_TRUE(notifier_.wait_for_room(kDeadline));
  notifier_.stop();
  EXPECT_LT(channel_->told().size(), 100'000U) << "what comes when too much waits is dropped";
}

TEST_F(KernelNotifierTest, WhoDropsPagesWaitsForTheKernel) {
  notifier_.attach(channel_);
  notifier_.attributes_changed(NodeId{1});
  notifier_.drop_pages({NodeId{7}, NodeId{8}}, kDeadline);
  EXPECT_EQ(channel_->told(), (std::vector<std::string>{"1", "pages of 7", "pages of 8"}));
  channel_->set_shut(true);
  notifier_.drop_pages({NodeId{9}}, std::chrono::milliseconds(1));  // does not wait for ever
  const auto before = std::chrono::steady_clock::now();
  notifier_.drop_pages({}, kDeadline);
  EXPECT_LT(std::chrono::steady_clock::now() - before, kDeadline / 2) << "it waited for what it had not asked for";
}

TEST_F(KernelNotifierTest, StopsWhileTheKernelHoldsUp) {
  notifier_.attach(channel_);
  channel_->set_shut(true);
  notifier_.attributes_changed(NodeId{1});
  ASSERT_TRUE(channel_->wait_for(1));
  notifier_.stop();
  notifier_.attributes_changed(NodeId{2});
  channel_->set_shut(false);
}

}  // namespace
}  // namespace arenacache::vfs
