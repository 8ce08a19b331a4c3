// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/raw_check.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/store/raw_tier.h"
#include "store_objects.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/store_files.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using base::ErrorKind;
using test::FileCall;
using test::has_kind;
using test::is_ok;
using test::must;

constexpr std::uint64_t kSize = 2 * kBlockBytes + 77;
constexpr ObjectId kId{0x2a};

class RawCheckTest : public ::testing::Test {
 protected:
  RawCheckTest() : tier_(must(RawTier::open(io_, dir_.path("raw")))), sidecar_(make_sidecar(kId, kSize)) {
    const auto file = must(tier_->create(kId, kSize));
    must(write_blocks(*file, sidecar_, 0, 3));
    must(file->sync());
  }

  test::TempDir dir_;
  test::FaultyFileIo io_;
  std::shared_ptr<RawTier> tier_;
  Sidecar sidecar_;
  std::string path_ = dir_.path("raw/2a/000000000000002a");
};

TEST_F(RawCheckTest, TellsRightBlocksFromWrongOnesAlsoTheShortLastOne) {
  test::flip_bit(path_, (kBlockBytes + 5) * 8);
  auto check = must(RawCheck::open(*tier_, kId, kSize));
  EXPECT_TRUE(is_ok(check.check(0, sidecar_.blocks.checksum(0))));
  EXPECT_TRUE(has_kind(check.check(1, sidecar_.blocks.checksum(1)), ErrorKind::corrupt));
  EXPECT_TRUE(is_ok(check.check(2, sidecar_.blocks.checksum(2))));
  test::flip_bit(path_, (kSize - 1) * 8);
  EXPECT_TRUE(has_kind(check.check(2, sidecar_.blocks.checksum(2)), ErrorKind::corrupt));
}

TEST_F(RawCheckTest, AFileOfAnotherSizeOrNoneIsNotOpened) {
  ASSERT_EQ(::truncate(path_.c_str(), kBlockBytes), 0);
  EXPECT_TRUE(has_kind(RawCheck::open(*tier_, kId, kSize), ErrorKind::corrupt));
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  const auto gone = RawCheck::open(*tier_, kId, kSize);
  ASSERT_FALSE(gone.has_value());
  EXPECT_EQ(gone.error().errno_value, ENOENT);
}

TEST_F(RawCheckTest, AReadThatFailsIsNotTakenForAWrongBlock) {
  auto check = must(RawCheck::open(*tier_, kId, kSize));
  io_.fail_nth(FileCall::read_at, 1, EIO);
  EXPECT_TRUE(has_kind(check.check(0, sidecar_.blocks.checksum(0)), ErrorKind::store));
  EXPECT_TRUE(is_ok(check.check(0, sidecar_.blocks.checksum(0))));
}

TEST_F(RawCheckTest, StoredIdsAreThoseOfDataOrSidecarsThatNobodyHasOpen) {
  EXPECT_EQ(must(tier_->stored_ids()), std::vector{kId});
  must(tier_->create(ObjectId{7}, kSize));
  must(tier_->write_sidecar(make_sidecar(ObjectId{7}, kSize)));
  ASSERT_EQ(::unlink(dir_.path("raw/07/0000000000000007").c_str()), 0);
  dir_.write_file("raw/2a/notes", "not ours");
  EXPECT_EQ(must(tier_->stored_ids()), (std::vector{ObjectId{7}, kId}));
  const auto held = must(tier_->open_file(kId));
  EXPECT_EQ(must(tier_->stored_ids()), std::vector{ObjectId{7}});
}

TEST_F(RawCheckTest, OnADiskThatLetsNobodyWriteAFileIsOpenedForReading) {
  io_.fail_nth(FileCall::open, 1, EROFS);
  const auto file = must(tier_->open_file(kId));
  std::vector<std::byte> bytes(100);
  EXPECT_TRUE(is_ok(file->read(bytes, 0)));
  EXPECT_FALSE(is_ok(file->write(bytes, 0)));
}

}  // namespace
}  // namespace arenacache::store
