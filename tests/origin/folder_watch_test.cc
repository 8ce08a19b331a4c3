// SPDX-License-Identifier: Apache-2.0
#include "folder_watch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/mutex.h"
#include "support/temp_dir.h"

namespace arenacache::origin {
namespace {

constexpr auto kDeadline = std::chrono::seconds(20);

class Recorder final : public ChangeListener {
 public:
  void changed(const OriginChange& change) override {
    base::MutexLock lock(mutex_);
    changes_.push_back(change);
    came_.notify_all();
  }
  /// Waits for a change of this kind, folder and name.
  bool hears(OriginChange::Kind kind, const std::string& folder, const std::string& name) {
    const auto until = std::chrono::steady_clock::now() + kDeadline;
    base::MutexLock lock(mutex_);
    for (;;) {
      const bool is_there = std::ranges::any_of(changes_, [&](const OriginChange& change) {
        return change.kind == kind && change.folder == folder && change.name == name;
      });
      if (is_there) return true;
      if (came_.native().wait_until(lock.native(), until) == std::cv_status::timeout) return false;
    }
  }
  void forget() {
    base::MutexLock lock(mutex_);
    changes_.clear();
  }
  std::size_t count() {
    base::MutexLock lock(mutex_);
    return changes_.size();
  }

 private:
  base::Mutex mutex_;
  base::CondVar came_;
  std::vector<OriginChange> changes_ AC_GUARDED_BY(mutex_);
};

using Kind = OriginChange::Kind;

class FolderWatchTest : public ::testing::Test {
 protected:
  void SetUp() override { start(kMostWatches); }
  void start(std::size_t most) {
    watch_.reset();
    watch_ = FolderWatch::start(source_.get(), listener_, most);
    ASSERT_NE(watch_, nullptr);
  }
  [[nodiscard]] std::string at(const std::string& path) const { return dir_.path(path); }
  void make_dir(const std::string& path) const { ASSERT_EQ(::mkdir(at(path).c_str(), 0755), 0); }

  test::TempDir dir_;
  base::UniqueFd source_{::open(dir_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  std::shared_ptr<Recorder> listener_ = std::make_shared<Recorder>();
  std::unique_ptr<FolderWatch> watch_;
};

TEST_F(FolderWatchTest, TellsOfNamesThatComeAndGo) {
  watch_->watch("", true);
  dir_.write_file("a", "1");
  EXPECT_TRUE(listener_->hears(Kind::name, "", "a"));
  listener_->forget();
  ASSERT_EQ(::rename(at("a").c_str(), at("b").c_str()), 0);
  EXPECT_TRUE(listener_->hears(Kind::name, "", "a"));
  EXPECT_TRUE(listener_->hears(Kind::name, "", "b"));
  listener_->forget();
  ASSERT_EQ(::unlink(at("b").c_str()), 0);
  EXPECT_TRUE(listener_->hears(Kind::name, "", "b"));
}

TEST_F(FolderWatchTest, TellsOfDataAndAttributes) {
  make_dir("folder");
  dir_.write_file("folder/a", "1");
  watch_->watch("folder", true);
  dir_.write_file("folder/a", "23");
  EXPECT_TRUE(listener_->hears(Kind::attributes, "folder", "a"));
  listener_->forget();
  ASSERT_EQ(::chmod(at("folder/a").c_str(), 0600), 0);
  EXPECT_TRUE(listener_->hears(Kind::attributes, "folder", "a"));
  ASSERT_EQ(::chmod(at("folder").c_str(), 0700), 0);
  EXPECT_TRUE(listener_->hears(Kind::attributes, "folder", ""));
}

TEST_F(FolderWatchTest, AFolderThatMovesIsLetGoWithAllBelow) {
  make_dir("a");
  make_dir("a/b");
  for (const char* path : {"", "a", "a/b"}) watch_->watch(path, true);
  EXPECT_EQ(watch_->size(), 3U);
  ASSERT_EQ(::rename(at("a").c_str(), at("c").c_str()), 0);
  EXPECT_TRUE(listener_->hears(Kind::name, "", "c"));
  EXPECT_EQ(watch_->size(), 1U);
  watch_->watch("c", true);
  dir_.write_file("c/new", "1");
  EXPECT_TRUE(listener_->hears(Kind::name, "c", "new"));
}

TEST_F(FolderWatchTest, AnotherFolderAtAPathIsWatchedInItsPlace) {
  make_dir("a");
  make_dir("other");
  watch_->watch("a", true);
  ASSERT_EQ(::rename(at("a").c_str(), at("gone").c_str()), 0);
  ASSERT_EQ(::rename(at("other").c_str(), at("a").c_str()), 0);
  watch_->watch("a", false);  // it looks watched
  watch_->watch("a", true);
  EXPECT_EQ(watch_->size(), 1U);
  dir_.write_file("a/new", "1");
  EXPECT_TRUE(listener_->hears(Kind::name, "a", "new"));
  dir_.write_file("gone/old", "1");
  dir_.write_file("a/last", "1");
  EXPECT_TRUE(listener_->hears(Kind::name, "a", "last"));
  EXPECT_FALSE(listener_->count() == 0);
}

TEST_F(FolderWatchTest, ADeletedFolderIsForgotten) {
  make_dir("a");
  watch_->watch("", true);
  watch_->watch("a", true);
  ASSERT_EQ(::rmdir(at("a").c_str()), 0);
  EXPECT_TRUE(listener_->hears(Kind::name, "", "a"));
  EXPECT_EQ(watch_->size(), 1U);
}

TEST_F(FolderWatchTest, NeverWatchesMoreThanItMay) {
  start(2);
  for (const char* path : {"a", "b", "c"}) make_dir(path);
  for (const char* path : {"", "a", "b", "c", "a"}) watch_->watch(path, true);
  EXPECT_EQ(watch_->size(), 2U);
  dir_.write_file("a/new", "1");
  EXPECT_TRUE(listener_->hears(Kind::name, "a", "new"));
}

TEST_F(FolderWatchTest, WhatIsNoFolderIsNotWatched) {
  dir_.write_file("file", "1");
  ASSERT_EQ(::symlink("/", at("link").c_str()), 0);
  for (const char* path : {"file", "link", "missing", "../.."}) watch_->watch(path, true);
  EXPECT_EQ(watch_->size(), 0U);
}

}  // namespace
}  // namespace arenacache::origin
