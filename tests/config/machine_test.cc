// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "arenacache/base/text.h"
#include "arenacache/config/config.h"
#include "arenacache/config/validate.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::config {
namespace {

using base::text;

class MachineTest : public testing::Test {
 protected:
  MachineTest() {
    config_.store.path = dir_.path("ssd/store");
    config_.daemon.socket = dir_.path("run/socket");
    config_.mounts.push_back({.name = "m",
                              .source = dir_.make_dir("source"),
                              .mountpoint = dir_.make_dir("mnt"),
                              .cache = {},
                              .fill = {},
                              .origin = {}});
  }
  MountConfig& mount() { return config_.mounts.front(); }
  std::string sentence() {
    const auto fits = check_machine(config_);
    if (fits) return {};
    EXPECT_TRUE(test::has_kind(fits, base::ErrorKind::invalid));
    return fits.error().what;
  }

  test::TempDir dir_;
  Config config_;
};

TEST_F(MachineTest, takes_folders_that_are_there_and_a_store_that_is_not_yet) {
  EXPECT_EQ(sentence(), "");
  EXPECT_FALSE(std::filesystem::exists(dir_.path("ssd")));
  dir_.write_file("ssd/store/VERSION", "1");
  EXPECT_EQ(sentence(), "");
}

TEST_F(MachineTest, a_missing_or_odd_source_is_told) {
  mount().source = dir_.path("none");
  EXPECT_EQ(sentence(), text("--source: ", dir_.path("none"), " does not exist; is its disk mounted?"));
  mount().source = dir_.write_file("file", "x");
  EXPECT_EQ(sentence(), text("--source: ", dir_.path("file"), " is not a folder"));
  mount().source = dir_.path("file/below");
  EXPECT_EQ(sentence(), text("--source: ", dir_.path("file/below"), " cannot be used: Not a directory"));
}

TEST_F(MachineTest, a_missing_mountpoint_is_told_with_what_to_do) {
  mount().mountpoint = dir_.path("none");
  EXPECT_EQ(sentence(),
            text("--mount: ", dir_.path("none"), " does not exist; make it with `mkdir -p ", dir_.path("none"), "`"));
}

TEST_F(MachineTest, names_the_line_of_the_file) {
  config_.places["mount.0.source"] = "/etc/a.toml:7";
  mount().source = dir_.path("none");
  EXPECT_EQ(sentence(),
            text("/etc/a.toml:7: mount.source: ", dir_.path("none"), " does not exist; is its disk mounted?"));
}

TEST_F(MachineTest, a_mountpoint_must_be_empty_unless_it_is_the_source) {
  dir_.write_file("mnt/file", "x");
  EXPECT_EQ(sentence(),
            text("--mount: the mountpoint ", dir_.path("mnt"),
                 " is not empty: the mount would hide what is in it; choose an empty folder, or the source itself"));
  dir_.write_file("source/file", "x");
  mount().mountpoint = mount().source;
  EXPECT_EQ(sentence(), "");
  std::filesystem::create_directory_symlink(mount().source, dir_.path("link"));
  mount().mountpoint = dir_.path("link");
  EXPECT_EQ(sentence(), "");
}

TEST_F(MachineTest, symlinks_do_not_hide_a_store_in_the_source) {
  std::filesystem::create_directory_symlink(mount().source, dir_.path("ssd"));
  EXPECT_EQ(sentence(),
            text("--store: the store ", dir_.path("source/store"), " lies in the source ", dir_.path("source"),
                 ": the mount would show it and cache its files; choose a folder outside of the source"));
}

TEST_F(MachineTest, symlinks_do_not_hide_a_mountpoint_in_the_source) {
  const std::string inner = dir_.make_dir("source/inner");
  std::filesystem::create_directory_symlink(inner, dir_.path("link"));
  mount().mountpoint = dir_.path("link");
  EXPECT_EQ(sentence(), text("--mount: the mountpoint ", inner, " lies in the source ", dir_.path("source"),
                             ": the daemon would reach its own mount; mount over the source itself or outside of it"));
}

TEST_F(MachineTest, a_store_that_cannot_be_made_is_told) {
  dir_.write_file("ssd", "a file where a folder is needed");
  EXPECT_EQ(sentence(), text("--store: ", dir_.path("ssd/store"), " cannot be used: Not a directory"));
}

TEST_F(MachineTest, a_store_that_may_not_be_made_is_told) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  dir_.make_dir("ssd");
  ::chmod(dir_.path("ssd").c_str(), 0500);
  EXPECT_EQ(sentence(), text("--store: ", dir_.path("ssd"), " cannot be written to: Permission denied"));
}

}  // namespace
}  // namespace arenacache::config
