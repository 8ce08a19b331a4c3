// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/index.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/sidecar.h"
#include "store_objects.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using test::is_ok;
using test::must;

class IndexTest : public testing::Test {
 protected:
  void open() { index_ = must(Index::open(path_, contents_)); }
  void reopen() {
    must(index_->close());
    open();
  }
  /// What an index opened now would find, were this process killed: nothing is being written, so a copy is that moment.
  IndexContents after_crash() {
    const std::string copy = dir_.path(base::text("copy-", copies_++));
    std::filesystem::copy_file(path_, copy);
    if (std::filesystem::exists(path_ + "-wal")) std::filesystem::copy_file(path_ + "-wal", copy + "-wal");
    IndexContents found;
    must(must(Index::open(copy, found))->close());
    return found;
  }
  /// id -> path, of the rows found at the last open().
  std::map<std::uint64_t, std::string> paths() {
    std::map<std::uint64_t, std::string> out;
    for (const IndexRow& row : contents_.rows) out[to_number(row.id)] = row.origin.path;
    return out;
  }

  test::TempDir dir_;
  std::string path_ = dir_.path("index.db");
  int copies_ = 0;
  IndexContents contents_;
  std::unique_ptr<Index> index_;
};

using Paths = std::map<std::uint64_t, std::string>;

TEST_F(IndexTest, a_new_one_is_empty_clean_and_private) {
  open();
  EXPECT_TRUE(contents_.rows.empty());
  EXPECT_TRUE(contents_.clean);
  EXPECT_FALSE(contents_.was_reset);
  EXPECT_EQ(contents_.next_id, ObjectId{1});
  EXPECT_EQ(index_->next_id(), ObjectId{1});
  for (const std::string& name : {path_, path_ + "-wal"}) {
    struct stat raw = {};
    ASSERT_EQ(::stat(name.c_str(), &raw), 0);
    EXPECT_EQ(raw.st_mode & 077U, 0U) << name;
  }
}

TEST_F(IndexTest, rows_come_back_whole) {
  open();
  std::vector<IndexRow> rows;
  for (std::uint64_t id = 1; id <= 30; ++id)
    rows.push_back(make_row(id, base::text("dir/", id % 4, "/ÿ\xFF name ", id)));
  rows.push_back(make_row(31, ""));
  rows.push_back(make_row(32, "other", "second source"));
  for (const IndexRow& row : rows) index_->put(row);
  reopen();
  ASSERT_EQ(contents_.rows.size(), rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const IndexRow& got = contents_.rows[i];
    EXPECT_EQ(got.id, rows[i].id);
    EXPECT_EQ(got.origin, rows[i].origin);
    EXPECT_EQ(got.resident, rows[i].resident);
    EXPECT_EQ(got.dirty, rows[i].dirty);
    EXPECT_EQ(got.needs_check, rows[i].needs_check);
    EXPECT_EQ(got.allocated_bytes, rows[i].allocated_bytes);
    EXPECT_EQ(got.last_use_ns, rows[i].last_use_ns);
    EXPECT_EQ(got.uses, rows[i].uses);
    EXPECT_EQ(got.read_percent, rows[i].read_percent);
    EXPECT_EQ(got.packed_tier, rows[i].packed_tier);
    EXPECT_EQ(got.packed_id, rows[i].packed_id);
  }
  EXPECT_TRUE(contents_.clean);
  EXPECT_TRUE(contents_.same_boot);
}

TEST_F(IndexTest, ids_that_others_have_are_passed_over) {
  open();
  const std::uint64_t next = to_number(index_->next_id()) + 5000;
  index_->pass_over(ObjectId{next});
  EXPECT_EQ(to_number(index_->next_id()), next + 1);
  index_->pass_over(ObjectId{next - 100});
  EXPECT_EQ(to_number(index_->next_id()), next + 2);
  reopen();
  EXPECT_GT(to_number(index_->next_id()), next + 2);
}

TEST_F(IndexTest, a_row_put_again_is_changed_and_a_removed_one_is_gone) {
  open();
  index_->put(make_row(1, "a"));
  index_->put(make_row(2, "b"));
  must(index_->sync());
  IndexRow changed = make_row(1, "c");
  changed.uses = 1234;
  index_->put(changed);
  index_->remove(ObjectId{2});
  index_->remove(ObjectId{99});
  reopen();
  ASSERT_EQ(paths(), (Paths{{1, "c"}}));
  EXPECT_EQ(contents_.rows[0].uses, 1234U);
}

TEST_F(IndexTest, what_sync_returned_for_outlives_a_crash) {
  open();
  index_->put(make_row(1, "a"));
  index_->put_pin({.source = "models", .path = "a"});
  index_->put_counter("hits", 41);
  must(index_->sync());
  const IndexContents found = after_crash();
  ASSERT_EQ(found.rows.size(), 1U);
  EXPECT_EQ(found.pins, (std::vector<PinRow>{{.source = "models", .path = "a"}}));
  EXPECT_EQ(found.counters.at("hits"), 41U);
  EXPECT_FALSE(found.clean);
  EXPECT_FALSE(found.was_reset);
  EXPECT_TRUE(found.same_boot);
}

TEST_F(IndexTest, a_job_runs_when_what_was_queued_before_it_is_durable) {
  open();
  std::vector<std::size_t> seen;
  for (std::uint64_t id = 1; id <= 5; ++id) {
    index_->put(make_row(id, "a"));
    if (id > 1) index_->remove(ObjectId{id - 1});
    index_->after_durable([this, &seen, id] {
      const IndexContents found = after_crash();
      EXPECT_TRUE(std::ranges::none_of(found.rows, [&](const IndexRow& row) { return to_number(row.id) < id; }));
      EXPECT_FALSE(found.rows.empty());
      seen.push_back(id);
    });
  }
  must(index_->close());
  EXPECT_EQ(seen, (std::vector<std::size_t>{1, 2, 3, 4, 5}));
}

TEST_F(IndexTest, a_job_may_queue_more) {
  open();
  std::atomic<bool> has_run = false;
  index_->after_durable([&] {
    index_->put(make_row(1, "from a job"));
    index_->after_durable([&] { has_run = true; });
  });
  reopen();
  EXPECT_TRUE(has_run);
  EXPECT_EQ(paths(), (Paths{{1, "from a job"}}));
}

TEST_F(IndexTest, a_renamed_folder_takes_all_below_it_along) {
  open();
  index_->put(make_row(1, "a/x"));
  index_->put(make_row(2, "a/deep/er/y"));
  index_->put(make_row(3, "ab/x"));
  index_->put(make_row(4, "a/x", "other source"));
  index_->put_pin({.source = "models", .path = "a/deep"});
  index_->rename_path("models", "a", "new/place");
  reopen();
  EXPECT_EQ(paths(), (Paths{{1, "new/place/x"}, {2, "new/place/deep/er/y"}, {3, "ab/x"}, {4, "a/x"}}));
  EXPECT_EQ(contents_.pins, (std::vector<PinRow>{{.source = "models", .path = "new/place/deep"}}));
}

TEST_F(IndexTest, a_renamed_file_may_take_the_place_of_another) {
  open();
  index_->put(make_row(1, "x.incomplete"));
  index_->put(make_row(2, "x"));
  must(index_->sync());
  index_->rename_path("models", "x.incomplete", "x");
  index_->remove(ObjectId{2});
  reopen();
  EXPECT_EQ(paths(), (Paths{{1, "x"}}));
}

TEST_F(IndexTest, folders_merge_where_names_meet) {
  open();
  index_->put(make_row(1, "a/b/one"));
  index_->put(make_row(2, "a/two"));
  index_->put(make_row(3, "t/b/three"));
  index_->put_pin({.source = "models", .path = "a/b"});
  index_->put_pin({.source = "models", .path = "t/b"});
  index_->rename_path("models", "a", "t");
  reopen();
  EXPECT_EQ(paths(), (Paths{{1, "t/b/one"}, {2, "t/two"}, {3, "t/b/three"}}));
  EXPECT_EQ(contents_.pins.size(), 1U);
}

TEST_F(IndexTest, renames_that_mean_nothing_change_nothing) {
  open();
  index_->put(make_row(1, "a/b"));
  index_->rename_path("models", "a", "a");
  index_->rename_path("models", "a", "a/b/c");
  index_->rename_path("models", "a/b", "a");
  index_->rename_path("models", "", "z");
  index_->rename_path("models", "missing", "z");
  index_->rename_path("no such source", "a", "z");
  reopen();
  EXPECT_EQ(paths(), (Paths{{1, "a/b"}}));
}

TEST_F(IndexTest, rows_and_renames_keep_their_order) {
  open();
  index_->put(make_row(1, "a/x"));
  index_->rename_path("models", "a", "b");
  index_->put(make_row(2, "a/new"));  // a file made in a new folder `a`
  index_->rename_path("models", "b/x", "a/x");
  index_->put(make_row(1, "a/x"));  // coalesces with its first, which lies before the rename of `a`
  index_->put_pin({.source = "models", .path = "p"});
  index_->rename_path("models", "p", "q");
  index_->put_pin({.source = "models", .path = "p"});
  reopen();
  EXPECT_EQ(paths(), (Paths{{1, "a/x"}, {2, "a/new"}}));
  EXPECT_EQ(contents_.pins,
            (std::vector<PinRow>{{.source = "models", .path = "p"}, {.source = "models", .path = "q"}}));
}

TEST_F(IndexTest, pins_come_and_go) {
  open();
  index_->put_pin({.source = "models", .path = "a"});
  index_->put_pin({.source = "models", .path = "a"});
  index_->put_pin({.source = "models", .path = "b"});
  index_->remove_pin({.source = "models", .path = "a"});
  index_->remove_pin({.source = "models", .path = "never"});
  reopen();
  EXPECT_EQ(contents_.pins, (std::vector<PinRow>{{.source = "models", .path = "b"}}));
}

TEST_F(IndexTest, many_changes_of_few_rows_leave_a_small_file) {
  open();
  for (int round = 0; round < 200; ++round) {
    for (std::uint64_t id = 1; id <= 50; ++id) {
      index_->put(make_row(id, base::text("folder ", round, "/", id)));
    }
  }
  must(index_->sync());
  EXPECT_GT(index_->file_bytes(), 0U);
  reopen();
  EXPECT_EQ(contents_.rows.size(), 50U);
  EXPECT_LT(index_->file_bytes(), 500'000U) << "paths that nothing needs are gone";
}

TEST_F(IndexTest, ids_are_unique_over_threads_and_lives) {
  std::set<ObjectId> all;
  for (int life = 0; life < 3; ++life) {
    open();
    std::vector<std::vector<ObjectId>> given(4);
    {
      std::vector<std::jthread> threads;
      threads.reserve(given.size());
      for (auto& mine : given) {
        threads.emplace_back([&] {
          for (int i = 0; i < 1500; ++i) mine.push_back(index_->next_id());
        });
      }
    }
    for (const auto& mine : given) all.insert(mine.begin(), mine.end());
    EXPECT_EQ(all.size(), static_cast<std::size_t>(life + 1) * 6000U);
    EXPECT_GT(after_crash().next_id, *all.rbegin());
    must(index_->close());
  }
}

TEST_F(IndexTest, close_may_be_called_twice_and_what_comes_after_is_dropped) {
  open();
  index_->put(make_row(1, "a"));
  must(index_->close());
  EXPECT_TRUE(is_ok(index_->close()));
  index_->put(make_row(2, "late"));
  index_->after_durable([] { ADD_FAILURE() << "ran after close()"; });
  EXPECT_TRUE(is_ok(index_->sync()));
  open();
  EXPECT_EQ(paths(), (Paths{{1, "a"}}));
}

TEST_F(IndexTest, a_hundred_thousand_rows) {
  constexpr std::uint64_t kRows = ARENACACHE_IS_SANITIZED ? 10'000 : 100'000;
  open();
  for (std::uint64_t id = 1; id <= kRows; ++id)
    index_->put(make_row(id, base::text("checkpoints/", id % 500, "/model-", id)));
  must(index_->sync());
  reopen();
  ASSERT_EQ(contents_.rows.size(), kRows);
  EXPECT_EQ(contents_.rows.back().origin.path, base::text("checkpoints/0/model-", kRows));
}

class IndexListingsTest : public IndexTest {
 protected:
  void put(const std::string& path, const char* bytes, std::int64_t validated_ns = 1) {
    index_->put_listing({.source = "nas",
                         .path = path,
                         .validated_ns = validated_ns,
                         .bytes = bytes != nullptr ? std::make_shared<const std::string>(bytes) : nullptr});
  }
  /// path -> bytes, found at the last open().
  std::map<std::string, std::string> found() {
    std::map<std::string, std::string> out;
    for (const ListingRow& row : contents_.listings) out[row.path] = *row.bytes;
    return out;
  }
};
using Listings = std::map<std::string, std::string>;

TEST_F(IndexListingsTest, the_newest_of_a_folder_is_kept) {
  open();
  put("", "root");
  put("a", "old");
  put("a", "new", 7);
  reopen();
  EXPECT_EQ(found(), (Listings{{"", "root"}, {"a", "new"}}));
  put("a", "newer");
  reopen();
  EXPECT_EQ(found(), (Listings{{"", "root"}, {"a", "newer"}}));
}

TEST_F(IndexListingsTest, the_time_moves_alone) {
  open();
  put("a", "bytes", 1);
  put("a", nullptr, 2);  // in one batch with the bytes
  reopen();
  EXPECT_EQ(found(), (Listings{{"a", "bytes"}}));
  EXPECT_EQ(contents_.listings.at(0).validated_ns, 2);
  put("a", nullptr, 3);
  put("never listed", nullptr, 3);
  reopen();
  EXPECT_EQ(found(), (Listings{{"a", "bytes"}}));
  EXPECT_EQ(contents_.listings.at(0).validated_ns, 3);
}

TEST_F(IndexListingsTest, a_tree_goes_and_its_neighbours_stay) {
  open();
  for (const char* path : {"a", "a/b", "a/b/c", "a-b", "a0", "a.b/c", "b"}) put(path, path);
  index_->remove_listings("nas", "a", true);
  put("a/b", "again");
  reopen();
  EXPECT_EQ(found(), (Listings{{"a-b", "a-b"}, {"a0", "a0"}, {"a.b/c", "a.b/c"}, {"b", "b"}, {"a/b", "again"}}));
  index_->remove_listings("nas", "a/b", false);
  index_->remove_listings("other", "", true);
  reopen();
  EXPECT_EQ(found().size(), 4U);
  index_->remove_listings("nas", "", true);
  reopen();
  EXPECT_TRUE(found().empty());
}

TEST_F(IndexListingsTest, one_removed_after_it_was_written_does_not_come_back_with_a_new_time) {
  open();
  put("a", "bytes");
  test::must(index_->sync());
  index_->remove_listings("nas", "a", false);
  put("a", nullptr, 9);
  reopen();
  EXPECT_TRUE(found().empty());
}

TEST_F(IndexListingsTest, one_removed_before_it_was_written_does_not_come_back) {
  open();
  put("a", "bytes");
  index_->remove_listings("nas", "a", false);
  put("a", nullptr, 9);
  reopen();
  EXPECT_TRUE(found().empty());
}

}  // namespace
}  // namespace arenacache::store
