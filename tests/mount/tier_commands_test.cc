// SPDX-License-Identifier: Apache-2.0
// What an owner says about packed tiers, through arenacache to a real daemon, and what programs on the mount see of it: nothing.
#include <sys/stat.h>

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

class TierCommandsTest : public ModelTest {
 protected:
  static MountOptions with_tier() { return {.flags = {{"--tier-capacity", "512MiB"}, {"--cache-promote-after", "0"}}}; }

  static void run(const TestMount& mount, const std::vector<std::string>& words, const std::string& says) {
    const Finished done = mount.cli(words);
    EXPECT_EQ(done.exit_code, 0) << done.output;
    EXPECT_TRUE(done.output.contains(says)) << done.output;
  }

  static void refuse(const TestMount& mount, const std::vector<std::string>& words, const std::string& says) {
    const Finished done = mount.cli(words);
    EXPECT_EQ(done.exit_code, 1);
    EXPECT_TRUE(done.output.contains(says)) << done.output;
  }

  static std::string state_of(const TestMount& mount, const std::string& name) {
    const auto object = mount.object(name);
    return object ? object->state : "not there";
  }

  /// Every byte is right, and the source is not asked for one.
  static void expect_local(const TestMount& mount, const Model& model) {
    EXPECT_EQ(origin_bytes_of(mount,
                              [&] {
                                drop_pages(model.path);
                                EXPECT_TRUE(load_in_order(model));
                                drop_pages(model.path);
                                EXPECT_TRUE(load_mapped(model));
                              }),
              0U);
  }
};

TEST_F(TierCommandsTest, AFileIsPackedReadAndUnpacked) {
  TestMount mount(with_tier());
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);

  run(mount, {"pack", "--wait", model.path}, "Packed: 1 file, ");
  EXPECT_EQ(state_of(mount, "model"), "packed");
  EXPECT_TRUE(mount.store_files().empty()) << "the raw file is still there";
  expect_local(mount, model);
  run(mount, {"ls"}, "TIER");
  run(mount, {"stats"}, "packed holds ");
  run(mount, {"pack", "--wait", model.path}, "Packed: 1 file, ");  // once more: it is done already

  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_EQ(state_of(mount, "model"), "packed");
  expect_local(mount, model);

  run(mount, {"unpack", "--wait", model.path}, "Unpacked: 1 file, ");
  EXPECT_EQ(state_of(mount, "model"), "resident");
  expect_local(mount, model);
  run(mount, {"tier", "move", "--wait", "packed", "model"}, "In packed: 1 file, ");
  EXPECT_EQ(state_of(mount, "model"), "packed");
  expect_local(mount, model);
  EXPECT_EQ(mount.stats().checksum_errors, 0U);
}

TEST_F(TierCommandsTest, AnEstimateTellsAndChangesNothing) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_EQ(::mkdir(mount.from("folder").c_str(), 0755), 0);
  add_model(mount, "folder/a");
  add_model(mount, "b");
  run(mount, {"estimate", mount.mountpoint()}, "2 files, 48.0 MiB, packed about ");
  EXPECT_EQ(mount.stats().objects, 0U);
  EXPECT_EQ(mount.stats().opens_total, 0U);
}

TEST_F(TierCommandsTest, ATierMayLieOnAnotherDisk) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  ASSERT_NO_FATAL_FAILURE(
      mount.restart({{"--tier-capacity", "512MiB"}, {"--tier-path", mount.dir().path("disk/packed-models")}}));
  run(mount, {"tier", "move", "--wait", "packed-models", "model"}, "In packed-models: 1 file, ");
  EXPECT_EQ(state_of(mount, "model"), "packed");
  expect_local(mount, model);
}

TEST_F(TierCommandsTest, WhatCannotBeIsASentence) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  refuse(mount, {"pack", "model"}, "there is no packed tier: the lines [[tier]] and capacity");
  ASSERT_NO_FATAL_FAILURE(mount.restart({{"--tier-capacity", "512MiB"}}));
  refuse(mount, {"tier", "move", "tape", "model"}, "there is no tier \"tape\": there are raw, packed");
  refuse(mount, {"pack", "model"}, "model: nothing of it is in the store");
  refuse(mount, {"pack", "nothing"}, "there is no nothing");
}

}  // namespace
}  // namespace arenacache::test
