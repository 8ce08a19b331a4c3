// SPDX-License-Identifier: Apache-2.0
// Every operation of the table, on the mount and on a plain folder: same results, same errnos, same trees, and the source
// holds what the mount shows. The same table run on two plain folders tells a wrong case from a wrong mount.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <ostream>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "mount/parity.h"
#include "mount/test_mount.h"

namespace arenacache::test {

void PrintTo(const ParityCase& one, std::ostream* out);  // gtest finds it by name
void PrintTo(const ParityCase& one, std::ostream* out) { *out << one.name; }

std::vector<ParityCase> all_parity_cases() {
  std::vector<ParityCase> all;
  for (const auto& theme : {attribute_cases(), open_cases(), data_cases(), space_cases(), folder_cases(), name_cases(),
                            xattr_cases(), mapping_cases(), lock_cases(), user_cases()}) {
    all.insert(all.end(), theme.begin(), theme.end());
  }
  return all;
}

namespace {

enum class Against : std::uint8_t { plain, mount, over_source, off };

std::string name_of(Against against) {
  switch (against) {
    case Against::plain:
      return "SelfParity";
    case Against::mount:
      return "Mount";
    case Against::over_source:
      return "OverSource";
    case Against::off:
      return "Off";
  }
  return {};
}

using Parameters = std::tuple<Against, ParityCase>;

class Parity : public ::testing::TestWithParam<Parameters> {
 protected:
  void SetUp() override {
    if (one().needs_root && ::geteuid() != 0) GTEST_SKIP() << "needs root";
    if (against() != Against::plain && !missing_fuse().empty()) {
      if (::getenv("CI") != nullptr) FAIL() << missing_fuse();
      GTEST_SKIP() << missing_fuse();
    }
    ::umask(022);
  }
  static Against against() { return std::get<0>(GetParam()); }
  static ParityCase one() { return std::get<1>(GetParam()); }
};

/// Small files are cached too, so that every case meets the cache, not only the mirror.
MountOptions options_of(Against against) {
  MountOptions options;
  options.over_source = against == Against::over_source;
  options.flags["--cache-min-size"] = "1";
  if (against == Against::off) options.flags["--cache-mode"] = "off";
  return options;
}

void expect_same(const Transcript& tested, const Transcript& plain, const char* what) {
  const std::string difference = first_difference(tested, plain);
  EXPECT_TRUE(difference.empty()) << what << " differ (left: tested, right: plain folder):\n" << difference;
}

TEST_P(Parity, SameAsThePlainFolder) {
  const TempDir dir;
  ASSERT_EQ(::chmod(dir.path().c_str(), 0755), 0);
  Place plain(dir.make_dir("plain"));
  TestMount mount(options_of(against()));
  if (one().prepare != nullptr) {
    Place source(mount.source());
    one().prepare(source);
    one().prepare(plain);
  }
  if (against() != Against::plain) {
    ASSERT_NO_FATAL_FAILURE(mount.start());
  }
  Place tested(against() == Against::plain ? mount.source() : mount.mountpoint());
  one().run(tested);
  one().run(plain);
  expect_same(tested.transcript(), plain.transcript(), "transcripts");
  if (one().is_large) return;
  expect_same(snapshot(tested.root()), snapshot(plain.root()), "trees");
  mount.stop();
  expect_same(snapshot(mount.source()), snapshot(plain.root()), "source and plain tree");
}

std::string test_name(const ::testing::TestParamInfo<Parameters>& info) {
  return name_of(std::get<0>(info.param)) + "_" + std::get<1>(info.param).name;
}

std::vector<Parameters> all_parameters() {
  std::vector<Parameters> all;
  for (const Against against : {Against::plain, Against::mount, Against::over_source, Against::off}) {
    for (const auto& parity_case : all_parity_cases()) {
      if (!parity_case.is_large || against <= Against::mount) all.emplace_back(against, parity_case);
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, Parity, ::testing::ValuesIn(all_parameters()), test_name);

}  // namespace
}  // namespace arenacache::test
