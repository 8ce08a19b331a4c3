// SPDX-License-Identifier: Apache-2.0
// Thousands of seeded operations, the same on a mount and on a plain folder: every result the same, and the trees in the end.
// A failure prints the seed; --gtest_random_seed=N runs it again.
#include <sys/stat.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mount/parity.h"
#include "mount/random_ops.h"
#include "mount/test_mount.h"
#include "support/temp_dir.h"

namespace arenacache::test {
namespace {

constexpr int kSteps = ARENACACHE_IS_SANITIZED ? 1200 : 4000;

std::uint64_t seed() {
  const int given = ::testing::UnitTest::GetInstance()->random_seed();
  return given != 0 ? static_cast<std::uint64_t>(given) : std::random_device()();
}

void run_both(const std::string& tested, const std::string& plain) {
  const std::uint64_t used_seed = seed();
  SCOPED_TRACE("--gtest_random_seed=" + std::to_string(used_seed));
  RandomOps left(tested, used_seed), right(plain, used_seed);
  std::vector<std::string> before;
  for (int step = 0; step < kSteps; ++step) {
    const std::string line = left.step();
    const std::string wanted = right.step();
    before.push_back(line);
    if (line == wanted) continue;
    std::string history;
    for (std::size_t at = before.size() > 60 ? before.size() - 60 : 0; at < before.size(); ++at)
      history += before[at] + "\n";
    FAIL() << "step " << step << " differs; plain folder: " << wanted << "\nlast steps, as tested:\n" << history;
  }
  const std::string difference = first_difference(snapshot(tested), snapshot(plain));
  EXPECT_TRUE(difference.empty()) << "trees differ (left: tested):\n" << difference;
}

class RandomOpsTest : public MountTest {};

void run_on_mount(MountOptions options) {
  ::umask(022);
  const TempDir dir;
  TestMount mount(std::move(options));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  run_both(mount.mountpoint(), dir.make_dir("plain"));
  const auto shown = snapshot(mount.mountpoint());
  mount.stop();
  EXPECT_EQ(first_difference(shown, snapshot(mount.source())), "") << "the source is not what the mount showed";
}

TEST(SelfRandomOps, TwoPlainFoldersAreTheSame) {
  ::umask(022);
  const TempDir one, two;
  run_both(one.make_dir("root"), two.make_dir("root"));
}

TEST_F(RandomOpsTest, MountIsTheSameAsAPlainFolder) { run_on_mount({.flags = {{"--cache-min-size", "1"}}}); }

TEST_F(RandomOpsTest, MountOfAStoreThatIsAlwaysFullIsTheSame) {
  run_on_mount({.flags = {{"--cache-min-size", "1"}}, .capacity = "16MiB"});
}

TEST_F(RandomOpsTest, MountThatLooksAtTheSourceEachTimeIsTheSame) {
  run_on_mount({.flags = {{"--cache-min-size", "1"}, {"--cache-metadata-ttl", "0s"}}});
}

}  // namespace
}  // namespace arenacache::test
