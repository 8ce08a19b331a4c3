// SPDX-License-Identifier: Apache-2.0
// The end of a life: what it leaves in the store is known to the next one.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <latch>
#include <string>

#include "cache/engine_fixture.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSize = 8 * kMiB;

class EndTest : public EngineFixture {
 protected:
  ~EndTest() override { stop(); }

  std::vector<std::string> files() { return test::raw_files(store_.path("store")); }
};

TEST_F(EndTest, AFileThatNothingWasWrittenIntoIsNotLeft) {
  start();
  origin_->put_random("a", kSize, 1);
  std::latch reached(1), may_go_on(1);
  io_.before_next(test::FileCall::write_at, [&] {
    reached.count_down();
    may_go_on.wait();
  });
  read(*open("a"), 0, 100);
  reached.wait();
  EXPECT_EQ(files().size(), 1U) << "it was to be made before it is written";
  guard_->stop();
  engine_->stop();
  EXPECT_TRUE(files().empty());
  may_go_on.count_down();
  stop();
  EXPECT_TRUE(files().empty());
}

TEST_F(EndTest, AFileThatCouldNotBeRemovedIsRemovedByTheNextLife) {
  start();
  origin_->put_random("a", kSize, 1);
  EXPECT_TRUE(read_all("a") == origin_->content("a"));
  await_resident("a");
  io_.fail_nth(test::FileCall::unlink, 2, EIO);  // after the sidecar
  engine_->evict(source_, "a");
  stop();
  EXPECT_EQ(files().size(), 1U);
  start();
  EXPECT_TRUE(files().empty());
}

}  // namespace
}  // namespace arenacache::cache
