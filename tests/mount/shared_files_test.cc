// SPDX-License-Identifier: Apache-2.0
// Two copies of one model, as programs see them: the store has the bytes once, and neither notices anything of the other.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

class SharedFilesTest : public ModelTest {
 protected:
  /// Inodes of the store's files of objects.
  static std::size_t files_of(const TestMount& mount) {
    std::set<ino_t> inodes;
    for (const std::string& name : mount.store_files()) {
      struct stat raw = {};
      if (::stat(name.c_str(), &raw) == 0) inodes.insert(raw.st_ino);
    }
    return inodes.size();
  }
  static void await_shared(const TestMount& mount) {
    ASSERT_TRUE(TestMount::wait_for([&] { return mount.store_files().size() == 2 && files_of(mount) == 1; }))
        << mount.stats().text;
  }
  static void expect_hits(const TestMount& mount, const Model& model) {
    drop_pages(model.path);
    EXPECT_EQ(origin_bytes_of(mount,
                              [&] {
                                EXPECT_TRUE(load_in_order(model));
                                EXPECT_TRUE(load_mapped(model));
                              }),
              0U)
        << model.path;
  }
};

TEST_F(SharedFilesTest, TwoCopiesOfAModelTakeTheStoresRoomOnceAndStayTwo) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model first = add_model(mount, "first");
  Model second = add_model(mount, "second");
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "first", first));
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "second", second));
  ASSERT_NO_FATAL_FAILURE(await_shared(mount));
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().used_bytes < first.size + first.size / 2; }));
  EXPECT_GE(mount.stats().used_bytes, first.size);
  expect_hits(mount, first);
  expect_hits(mount, second);
  EXPECT_TRUE(mount.cli({"ls"}).output.contains("SHARED"));
  EXPECT_TRUE(mount.cli({"stats"}).output.contains("less by sharing"));

  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_LT(mount.stats().used_bytes, first.size + first.size / 2) << "known in the next life";
  const UniqueFd held(::open(first.path.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(held.is_open());
  EXPECT_EQ(mount.cli({"evict", first.path}).exit_code, 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.store_files().size() == 1; }));
  expect_hits(mount, second);
  EXPECT_TRUE(range_is(held.get(), 0, first.size, first.pattern)) << "who has it open reads on";

  make_pattern_file(mount.from("second"), second.size, Pattern{7});
  EXPECT_TRUE(TestMount::wait_for([&] { return file_is(second.path, second.size, Pattern{7}); }));
  second.pattern = Pattern{7};
  EXPECT_TRUE(load_in_order(first)) << "the other one changed";
  EXPECT_TRUE(range_is(held.get(), 0, first.size, first.pattern));
  EXPECT_EQ(mount.stats().checksum_errors, 0U);
  EXPECT_EQ(mount.stats().store_errors, 0U);
}

TEST_F(SharedFilesTest, AWriteToOneIsNotSeenInTheOther) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model first = add_model(mount, "first");
  const Model second = add_model(mount, "second");
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "first", first));
  ASSERT_NO_FATAL_FAILURE(make_resident(mount, "second", second));
  ASSERT_NO_FATAL_FAILURE(await_shared(mount));
  const UniqueFd mapped(::open(second.path.c_str(), O_RDONLY | O_CLOEXEC));
  const UniqueFd writer(::open(first.path.c_str(), O_RDWR | O_CLOEXEC));
  const std::string words = "other words";
  ASSERT_EQ(::pwrite(writer.get(), words.data(), words.size(), kMiB + 3), static_cast<ssize_t>(words.size()));
  std::string got(words.size(), ' ');
  ASSERT_EQ(::pread(writer.get(), got.data(), got.size(), kMiB + 3), static_cast<ssize_t>(got.size()));
  EXPECT_EQ(got, words);
  EXPECT_TRUE(range_is(mapped.get(), 0, second.size, second.pattern));
  expect_hits(mount, second);
}

}  // namespace
}  // namespace arenacache::test
