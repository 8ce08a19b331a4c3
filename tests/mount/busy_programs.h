// SPDX-License-Identifier: Apache-2.0
// BusyPrograms: threads that use a mount without a pause, and check that every call says what it would say on a plain folder.
// Promises: the first call that failed, or lied, is told with its name and errno. Threads: its own; one owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/mutex.h"

namespace arenacache::test {

class BusyPrograms {
 public:
  BusyPrograms() = default;
  ~BusyPrograms() { stop(); }
  BusyPrograms(const BusyPrograms&) = delete;
  BusyPrograms& operator=(const BusyPrograms&) = delete;

  /// What a round says: empty, or what went wrong.
  using Round = std::function<std::string(std::uint64_t number)>;
  /// Runs `round` with 0, 1, 2 ... until stop(), or until it fails.
  void add(Round round);
  /// Ends them after their round; the first failure, or success.
  ::testing::AssertionResult stop();
  [[nodiscard]] bool has_failed() const { return has_failed_.load(); }
  [[nodiscard]] std::uint64_t rounds() const { return rounds_.load(); }

 private:
  std::vector<std::thread> threads_;
  std::atomic<bool> is_stopped_{false};
  std::atomic<bool> has_failed_{false};
  std::atomic<std::uint64_t> rounds_{0};
  base::Mutex mutex_;
  std::string failure_ AC_GUARDED_BY(mutex_);
};

/// "mkdir: EEXIST" after a call that failed; empty after one that did not.
std::string said(const char* call, long result);

/// A folder of its own in which names come, are linked, renamed, exchanged and go: each call must succeed, or fail as it should.
BusyPrograms::Round changes_names(const std::string& folder);
/// Lines appended to one file through one descriptor; check with is_counted().
BusyPrograms::Round appends(const std::string& path);
::testing::AssertionResult is_counted(const std::string& path);
/// Opens, reads, closes, asks for a file of this content.
BusyPrograms::Round opens(const std::string& path, const std::string& content);
/// Gives a file its other name, and back.
BusyPrograms::Round moves(const std::string& path, const std::string& other);
/// Opens a file of this content once, and reads it from the mount again and again.
BusyPrograms::Round reads_on(const std::string& path, const std::string& content);
/// Lists a folder, which has exactly `count` names.
BusyPrograms::Round lists(const std::string& folder, int count);
/// Writes a file anew, changes its attributes, and reads back what it wrote.
BusyPrograms::Round rewrites(const std::string& path);

}  // namespace arenacache::test
