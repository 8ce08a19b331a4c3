// SPDX-License-Identifier: Apache-2.0
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "area_fixture.h"

namespace arenacache::handover {
namespace {

TEST_F(AreaTest, IsInheritedOnceInitWasAnswered) {
  EXPECT_FALSE(area_->is_inherited());
  area_->init().keep_request(bytes_of("the request"));
  next_worker();
  EXPECT_FALSE(area_->is_inherited()) << "the kernel still waits for the answer";
  area_->init().keep_reply(bytes_of("the reply"));
  next_worker();
  EXPECT_TRUE(area_->is_inherited());
  EXPECT_TRUE(std::ranges::equal(area_->init().request(), bytes_of("the request")));
  EXPECT_TRUE(std::ranges::equal(area_->init().reply(), bytes_of("the reply")));
}

TEST_F(AreaTest, AnInitThatDoesNotFitIsNotKept) {
  area_->init().keep_request(std::vector<std::byte>(1 << 16));
  EXPECT_TRUE(area_->init().request().empty());
}

TEST_F(AreaTest, TakesLittleMemory) {
  struct ::stat about{};
  ASSERT_EQ(::fstat(file_.get(), &about), 0);
  EXPECT_LT(about.st_blocks * 512, 64 << 10);
}

TEST_F(AreaTest, AnAreaOfAnotherBuildIsRefusedWithASentence) {
  const std::uint32_t format = 77;
  ASSERT_EQ(::pwrite(file_.get(), &format, sizeof format, 8), 4);  // behind the magic number
  const auto other = Area::open(base::UniqueFd(::dup(file_.get())));
  ASSERT_FALSE(other.has_value());
  EXPECT_NE(other.error().what.find("stop the daemon and start it again"), std::string::npos);
  ASSERT_EQ(::ftruncate(file_.get(), 4096), 0);
  EXPECT_FALSE(Area::open(base::UniqueFd(::dup(file_.get()))).has_value());
}

}  // namespace
}  // namespace arenacache::handover
