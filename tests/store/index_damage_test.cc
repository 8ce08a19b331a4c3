// SPDX-License-Identifier: Apache-2.0
// The index file damaged, newer, older, or somebody else's.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "store_objects.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::must;

constexpr std::size_t kPageBytes = 4096;

class IndexDamageTest : public testing::Test {
 protected:
  /// A cleanly closed index with rows; returns the file's bytes.
  std::string make_index(std::uint64_t rows = 2000) {
    IndexContents contents;
    const auto index = must(Index::open(path_, contents));
    for (std::uint64_t id = 1; id <= rows; ++id) index->put(make_row(id, base::text("dir/", id)));
    must(index->close());
    return dir_.read_file("index.db");
  }
  /// What open() finds; the index is closed again.
  IndexContents find() {
    IndexContents contents;
    must(must(Index::open(path_, contents))->close());
    return contents;
  }
  void sql(const char* statements) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, statements, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
  std::size_t number(const char* query) {
    sqlite3* database = nullptr;
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_prepare_v2(database, query, -1, &statement, nullptr), SQLITE_OK);
    EXPECT_EQ(sqlite3_step(statement), SQLITE_ROW);
    const auto value = static_cast<std::size_t>(sqlite3_column_int64(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(database);
    return value;
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(dir_.path())) out.push_back(entry.path().filename());
    std::ranges::sort(out);
    return out;
  }
  /// It was set aside, and the new one works.
  void expect_reset() {
    const IndexContents found = find();
    EXPECT_TRUE(found.was_reset);
    EXPECT_FALSE(found.clean);
    EXPECT_TRUE(found.rows.empty());
    EXPECT_GT(to_number(found.next_id), 2000U) << "ids of the lost index are not given again";
    EXPECT_TRUE(std::filesystem::exists(path_ + ".corrupt-1"));
  }

  test::TempDir dir_;
  std::string path_ = dir_.path("index.db");
};

TEST_F(IndexDamageTest, garbage_is_set_aside) {
  make_index();
  dir_.write_file("index.db", std::string(20000, '#'));
  expect_reset();
  EXPECT_EQ(dir_.read_file("index.db.corrupt-1"), std::string(20000, '#'));
}

TEST_F(IndexDamageTest, half_a_file_is_set_aside) {
  std::string bytes = make_index();
  bytes.resize(bytes.size() / 2);
  dir_.write_file("index.db", bytes);
  expect_reset();
}

TEST_F(IndexDamageTest, an_empty_file_is_a_new_index) {
  dir_.write_file("index.db", "");
  EXPECT_TRUE(find().rows.empty());
}

TEST_F(IndexDamageTest, another_programs_database_is_set_aside) {
  sql("CREATE TABLE songs(name TEXT)");
  EXPECT_TRUE(find().was_reset);
}

TEST_F(IndexDamageTest, an_older_format_is_set_aside) {
  make_index();
  sql("PRAGMA user_version = 0");
  expect_reset();
}

TEST_F(IndexDamageTest, a_newer_format_is_refused_with_a_sentence_and_stays) {
  make_index(1);
  sql("PRAGMA user_version = 5");
  IndexContents contents;
  const auto index = Index::open(path_, contents);
  ASSERT_TRUE(has_kind(index, ErrorKind::invalid));
  EXPECT_NE(index.error().what.find("format 5"), std::string::npos) << index.error().what;
  EXPECT_EQ(std::ranges::count_if(names(), [](const std::string& name) { return name.contains("corrupt"); }), 0);
  sql("PRAGMA user_version = 4");
  EXPECT_EQ(find().rows.size(), 1U);
}

TEST_F(IndexDamageTest, format_1_is_taken_over_with_all_its_rows) {
  make_index(10);
  sql("DROP TABLE listings; ALTER TABLE objects DROP COLUMN read_percent;"
      "ALTER TABLE objects DROP COLUMN packed_tier; ALTER TABLE objects DROP COLUMN packed_id; PRAGMA user_version = "
      "1");
  IndexContents contents;
  const auto index = must(Index::open(path_, contents));
  EXPECT_EQ(contents.rows.size(), 10U);
  EXPECT_TRUE(contents.clean);
  EXPECT_TRUE(contents.listings.empty());
  index->put_listing({.source = "nas", .path = "", .validated_ns = 1, .bytes = std::make_shared<std::string>("abc")});
  must(index->close());
  EXPECT_EQ(find().listings.size(), 1U);
  EXPECT_EQ(number("PRAGMA user_version"), 4U);
}

TEST_F(IndexDamageTest, rows_that_do_not_fit_together_are_no_index) {
  make_index();
  sql("DELETE FROM paths WHERE name = CAST('dir' AS BLOB)");
  expect_reset();
}

TEST_F(IndexDamageTest, half_of_a_packed_copy_is_no_index) {
  make_index();
  sql("UPDATE objects SET packed_tier = 'packed', packed_id = 0");
  expect_reset();
}

TEST_F(IndexDamageTest, a_packed_copy_with_an_impossible_id_is_no_index) {
  make_index();
  sql("UPDATE objects SET packed_tier = 'packed', packed_id = -1");
  expect_reset();
}

TEST_F(IndexDamageTest, paths_in_a_ring_are_no_index) {
  make_index();
  sql("UPDATE paths SET parent = (SELECT id FROM paths WHERE name = CAST('7' AS BLOB)) WHERE name = CAST('dir' AS "
      "BLOB)");
  expect_reset();
}

TEST_F(IndexDamageTest, a_path_of_the_number_that_says_none_is_no_index) {
  make_index();
  sql("INSERT INTO paths(id, parent, name) VALUES(0, 1, CAST('new' AS BLOB))");
  expect_reset();
}

TEST_F(IndexDamageTest, damage_met_while_running_is_found_by_the_next_start) {
  std::string bytes = make_index();
  const std::size_t page = number("SELECT rootpage FROM sqlite_master WHERE name = 'objects_by_path'");
  bytes.replace((page - 1) * kPageBytes, kPageBytes, std::string(kPageBytes, '#'));
  dir_.write_file("index.db", bytes);
  {
    IndexContents contents;
    const auto index = must(Index::open(path_, contents));
    EXPECT_EQ(contents.rows.size(), 2000U) << "the start does not read this page";
    index->put(make_row(1, "elsewhere"));
    EXPECT_TRUE(has_kind(index->sync(), ErrorKind::corrupt));
    EXPECT_FALSE(test::is_ok(index->close()));
  }
  expect_reset();
}

TEST_F(IndexDamageTest, only_the_newest_damaged_files_are_kept_and_ids_go_on_rising) {
  ObjectId last{};
  for (int round = 1; round <= 5; ++round) {
    dir_.write_file("index.db", "garbage");
    const IndexContents found = find();
    EXPECT_TRUE(found.was_reset);
    EXPECT_GT(found.next_id, last);
    last = found.next_id;
  }
  EXPECT_EQ(names(), (std::vector<std::string>{"index.db", "index.db.corrupt-4", "index.db.corrupt-5"}));
}

TEST_F(IndexDamageTest, damage_at_random_is_never_fatal) {
  const std::string good = make_index();
  std::mt19937 random(static_cast<unsigned>(testing::UnitTest::GetInstance()->random_seed()));
  for (int round = 0; round < 40; ++round) {
    std::string bytes = good;
    for (int hit = 0; hit < 1 << (round % 8); ++hit) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (round % 5 == 0) bytes.resize(random() % bytes.size());
    dir_.write_file("index.db", bytes);
    IndexContents contents;
    const auto index = Index::open(path_, contents);
    if (!index) {
      ASSERT_TRUE(has_kind(index, ErrorKind::invalid)) << "the format's number itself was hit";
      continue;
    }
    (*index)->put(make_row(1, "still works"));
    static_cast<void>((*index)->sync());
    static_cast<void>((*index)->close());
  }
}

}  // namespace
}  // namespace arenacache::store
