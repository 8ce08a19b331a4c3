// SPDX-License-Identifier: Apache-2.0
// The index under SIGKILL and on a full disk: a child process writes and says what was promised to it; the parent kills it
// in the middle of its work and opens what is left.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "store_objects.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;

using test::is_ok;
using test::must;

/// A child that runs `work(pipe)` until it is killed.
class Victim {
 public:
  template <class Work>
  explicit Victim(Work work) {
    int ends[2] = {};
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    read_end_ = base::UniqueFd(ends[0]);
    base::UniqueFd write_end(ends[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      work(write_end.get());
      ::_exit(0);
    }
  }
  ~Victim() { kill(); }
  Victim(const Victim&) = delete;
  Victim& operator=(const Victim&) = delete;

  /// The next number that the child sent; 0 when it has ended.
  std::uint64_t receive() {
    std::uint64_t number = 0;
    return ::read(read_end_.get(), &number, sizeof(number)) == sizeof(number) ? number : 0;
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  base::UniqueFd read_end_;
};

void send(int pipe, std::uint64_t number) {
  if (::write(pipe, &number, sizeof(number)) != sizeof(number)) ::_exit(1);
}

TEST(IndexCrash, rows_that_sync_answered_for_are_there_and_removed_ones_are_not) {
  const test::TempDir dir;
  const std::string path = dir.path("index.db");
  // Row n is put, and row n - 1 removed, before n is sent. The index may write the one before it is told the other.
  Victim victim([&](int pipe) {
    IndexContents contents;
    const auto index = must(Index::open(path, contents));
    for (std::uint64_t n = 1;; ++n) {
      index->put(make_row(n, base::text("dir/", n)));
      if (n > 1) index->remove(ObjectId{n - 1});
      must(index->sync());
      send(pipe, n);
    }
  });
  std::uint64_t last = 0;
  while (last < 40) {
    const std::uint64_t received = victim.receive();
    ASSERT_NE(received, 0U) << "the child has failed";
    last = received;
  }
  victim.kill();
  while (const std::uint64_t received = victim.receive()) last = received;
  IndexContents found;
  const auto index = must(Index::open(path, found));
  EXPECT_FALSE(found.clean);
  EXPECT_FALSE(found.was_reset);
  std::vector<std::uint64_t> rows;
  for (const IndexRow& row : found.rows) rows.push_back(to_number(row.id));
  EXPECT_THAT(rows, AnyOf(ElementsAre(last), ElementsAre(last, last + 1), ElementsAre(last + 1)));
}

TEST(IndexCrash, an_id_given_before_a_crash_is_not_given_after_it) {
  const test::TempDir dir;
  const std::string path = dir.path("index.db");
  std::uint64_t highest = 0;
  for (const std::uint64_t count : {1U, 700U, 3000U}) {
    Victim victim([&](int pipe) {
      IndexContents contents;
      const auto index = must(Index::open(path, contents));
      for (;;) send(pipe, to_number(index->next_id()));
    });
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t id = victim.receive();
      ASSERT_GT(id, highest);
      highest = id;
    }
    victim.kill();
    while (const std::uint64_t id = victim.receive()) highest = id;
  }
}

/// Lets no file of this process grow beyond `bytes`, as a full disk would.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(std::uint64_t bytes) {
    ::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { ::setrlimit(RLIMIT_FSIZE, &old_); }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
};

TEST(IndexFullDisk, sync_tells_nothing_is_lost_and_order_is_kept) {
  const test::TempDir dir;
  const std::string path = dir.path("index.db");
  IndexContents found;
  auto index = must(Index::open(path, found));
  index->put(make_row(1, "before"));
  must(index->sync());
  bool has_run = false;
  {
    const FileSizeLimit full(index->file_bytes());
    for (std::uint64_t id = 1; id <= 3000; ++id) index->put(make_row(id, base::text("a/rather/long/path/", id)));
    index->after_durable([&] { has_run = true; });
    EXPECT_FALSE(is_ok(index->sync()));
    index->rename_path("models", "a", "b");
    index->put(make_row(1, "changed while full"));
    index->remove(ObjectId{2});
    EXPECT_FALSE(is_ok(index->sync()));
    EXPECT_FALSE(has_run) << "what it waits for is not durable";
    EXPECT_GT(index->next_id(), ObjectId{3000});
  }
  EXPECT_TRUE(is_ok(index->sync()));
  must(index->close());
  EXPECT_TRUE(has_run);
  index = must(Index::open(path, found));
  std::map<std::uint64_t, std::string> paths;
  for (const IndexRow& row : found.rows) paths[to_number(row.id)] = row.origin.path;
  EXPECT_EQ(paths.size(), 2999U);
  EXPECT_EQ(paths[1], "changed while full");
  EXPECT_EQ(paths[3], "b/rather/long/path/3");
  EXPECT_FALSE(paths.contains(2));
}

TEST(IndexFullDisk, an_end_on_a_full_disk_is_no_clean_end) {
  const test::TempDir dir;
  const std::string path = dir.path("index.db");
  IndexContents found;
  auto index = must(Index::open(path, found));
  index->put(make_row(1, "kept"));
  must(index->sync());
  {
    const FileSizeLimit full(index->file_bytes());
    for (std::uint64_t id = 2; id <= 3000; ++id) index->put(make_row(id, base::text("lost/", id)));
    EXPECT_FALSE(is_ok(index->close()));
    EXPECT_FALSE(is_ok(index->close())) << "the same answer again";
  }
  index = must(Index::open(path, found));
  EXPECT_FALSE(found.clean);
  EXPECT_EQ(found.rows.size(), 1U);
}

}  // namespace
}  // namespace arenacache::store
