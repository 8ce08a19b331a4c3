// SPDX-License-Identifier: Apache-2.0
#include "disk_reads.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "arenacache/base/units.h"
#include "proc_files.h"
#include "support/temp_dir.h"

namespace arenacache::cli {
namespace {

constexpr auto kEnough = std::chrono::minutes(1);

TEST(DiskReads, TheSurveyFindsTheLargestFileAndEveryLink) {
  const test::TempDir dir;
  dir.write_file("small", "x");
  dir.write_file("a/b/model", std::string(2 * base::kMiB, 'm'));
  dir.write_file("model", std::string(base::kMiB, 'm'));
  ASSERT_EQ(::symlink("../../elsewhere", dir.path("a/b/link").c_str()), 0);
  const SourceSurvey found = survey_source(dir.path(), kEnough);
  EXPECT_EQ(found.largest_file, dir.path("a/b/model"));
  EXPECT_EQ(found.largest_bytes, 2 * base::kMiB);
  ASSERT_EQ(found.links.size(), 1U);
  EXPECT_EQ(found.links[0].path, "a/b/link");
  EXPECT_EQ(found.links[0].target, "../../elsewhere");
}

TEST(DiskReads, ASurveyWithoutTimeEndsAtOnce) {
  const test::TempDir dir;
  dir.write_file("model", std::string(base::kMiB, 'm'));
  EXPECT_EQ(survey_source(dir.path(), std::chrono::nanoseconds(-1)).largest_file, "");
}

TEST(DiskReads, FilesAndFoldersAreMeasured) {
  const test::TempDir dir;
  const std::string path = dir.write_file("model", std::string(3 * base::kMiB + 5, 'm'));
  const auto of_file = measure_file(path, 3 * base::kMiB + 5, kEnough);
  ASSERT_TRUE(of_file.has_value());
  EXPECT_GT(of_file->bytes_per_second, 0);
  EXPECT_GT(of_file->page_latency.count(), 0);
  EXPECT_TRUE(measure_folder(dir.path(), kEnough).has_value());
  EXPECT_EQ(names_in(dir.path()).size(), 1U) << "what it measured with is gone";
  EXPECT_FALSE(measure_file(dir.path("missing"), base::kMiB, kEnough).has_value());
  EXPECT_FALSE(measure_folder(dir.path("missing"), kEnough).has_value());
}

TEST(ProcFiles, FieldsAndNumbersAreFound) {
  const std::string status = "Name:\tx\nCapEff:\t00000000000000ff\nCapEffective:\t1\n";
  EXPECT_EQ(number_in(field_of(status, "CapEff"), 16), 255U);
  EXPECT_EQ(field_of(status, "Cap"), "");
  EXPECT_FALSE(number_in("unlimited").has_value());
  EXPECT_EQ(read_proc_file("/proc/0/status"), "");
  EXPECT_TRUE(names_in("/proc/0").empty());
}

}  // namespace
}  // namespace arenacache::cli
