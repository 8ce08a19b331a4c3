// SPDX-License-Identifier: Apache-2.0
// How quick hits are while the source hangs, to how quick they are while it is well: both take turns, and the 99th percentiles of each
// round are compared. With ARENACACHE_TEST_LONG=1 there are enough rounds for a verdict.
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/hung_fixture.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;
using std::chrono::duration;

constexpr double kMostRatio = 1.5;
constexpr int kCalls = 4000;

/// One kind of call, and what it took in each round, in microseconds.
struct Work {
  std::string name;
  std::function<bool()> call;
  std::vector<double> healthy{}, hung{};  ///< 99th percentiles; two of hung ones for each healthy one

  /// Hung to healthy, round by round: a machine that is slow for a while is so for both.
  [[nodiscard]] std::vector<double> ratios() const {
    std::vector<double> all;
    for (std::size_t i = 0; i < hung.size(); ++i) all.push_back(hung[i] / healthy[i / 2]);
    return all;
  }
};

double percentile_99(std::vector<double> all) {
  const auto place = all.begin() + static_cast<std::ptrdiff_t>(all.size() * 99 / 100);
  std::ranges::nth_element(all, place);
  return *place;
}

double median(std::vector<double> all) {
  const auto place = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
  std::ranges::nth_element(all, place);
  return *place;
}

/// The parameter is fuse.passthrough.
class HungFigures : public HungTest, public ::testing::WithParamInterface<const char*> {
 protected:
  /// Before other programs, where we may, so that it is the daemon that is measured: what is started inherits it.
  void SetUp() override {
    const sched_param first{.sched_priority = 1};
    if (::sched_setscheduler(0, SCHED_RR, &first) != 0) std::puts("beside other programs");
    HungTest::SetUp();
  }
  void TearDown() override {
    HungTest::TearDown();
    const sched_param usual{};
    ::sched_setscheduler(0, SCHED_OTHER, &usual);
  }
  [[nodiscard]] std::map<std::string, std::string> flags() const override {
    return {{"--cache-metadata-ttl", "60s"}, {"--fuse-passthrough", GetParam()}};
  }

  std::uint64_t random_page() { return random_() % (kModelSize / kPage) * kPage; }

  /// Every work's calls take turns, so that what else the machine does meets all alike.
  void measure(bool is_hung) {
    std::vector<std::vector<double>> took(works_.size());
    for (int i = 0; i < kCalls; ++i) {
      for (std::size_t work = 0; work < works_.size(); ++work) {
        const auto begun = Clock::now();
        ASSERT_TRUE(works_[work].call()) << works_[work].name;
        took[work].push_back(duration<double, std::micro>(Clock::now() - begun).count());
      }
    }
    for (std::size_t work = 0; work < works_.size(); ++work) {
      (is_hung ? works_[work].hung : works_[work].healthy).push_back(percentile_99(took[work]));
    }
  }

  std::mt19937_64 random_{static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed())};
  std::vector<Work> works_;
};

TEST_P(HungFigures, HitsAreAsQuickAsWithAHealthySource) {
  const bool is_served = std::string(GetParam()) == "off";
  // Past the kernel's pages, where it is the daemon that is to be measured.
  const UniqueFd open_file(::open(model_.path.c_str(), O_RDONLY | O_CLOEXEC | (is_served ? O_DIRECT : 0)));
  ASSERT_TRUE(open_file.is_open());
  alignas(4096) static std::array<std::byte, kPage> page{};
  works_.push_back({"read 4 KiB", [&] {
                      return ::pread(open_file.get(), page.data(), page.size(), static_cast<off_t>(random_page())) ==
                             std::ssize(page);
                    }});
  works_.push_back({"open, read 4 KiB, close", [&] {
                      const UniqueFd file(::open(model_.path.c_str(), O_RDONLY | O_CLOEXEC));
                      return ::pread(file.get(), page.data(), page.size(), static_cast<off_t>(random_page())) ==
                             std::ssize(page);
                    }});
  works_.push_back({"stat", [&] { return look_up(mount_->at(text("folder/lora-", random_() % 20))) == 0; }});
  works_.push_back({"readdir", [&] {
                      const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(mount_->at("folder").c_str()),
                                                                       &::closedir);
                      int names = 0;
                      while (folder && ::readdir(folder.get()) != nullptr) ++names;  // NOLINT(concurrency-mt-unsafe)
                      return names == 22;
                    }});
  const int rounds = is_long() ? 7 : 1;
  for (int round = 0; round < rounds; ++round) {
    measure(false);
    server_->cut();
    measure(true);  // from the first call on: nobody knows of it yet
    EXPECT_EQ(look_up(mount_->at(text("unknown-", round))), ETIMEDOUT);
    measure(true);
    heal();
  }
  for (const Work& work : works_) {
    const double ratio = median(work.ratios());
    std::printf("passthrough %s, %s: p99 %.1f us, hung %.1f us, ratio %.2f\n", GetParam(), work.name.c_str(),
                median(work.healthy), median(work.hung), ratio);
    for (std::size_t round = 0; round < work.healthy.size(); ++round) {
      std::printf("  healthy %.1f, just cut %.1f, known to hang %.1f us\n", work.healthy[round], work.hung[2 * round],
                  work.hung[2 * round + 1]);
    }
    if (is_long()) {
      EXPECT_LE(ratio, kMostRatio) << work.name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Passthrough, HungFigures, ::testing::Values("auto", "off"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace arenacache::test
