// SPDX-License-Identifier: Apache-2.0
// Two mounts of one daemon, from a configuration file: one store, each with what was set for it alone.
#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

class TwoMountsTest : public ModelTest {
 protected:
  TwoMountsTest() {
    const std::string toml = base::text(
        "[daemon]\nsocket = \"", mount_.socket(), "\"\n[store]\npath = \"", mount_.store(),
        "\"\ncapacity = \"1GiB\"\nkeep_free = \"64MiB\"\n[cache]\nsettle = \"0s\"\n",
        "[[mount]]\nname = \"first\"\nsource = \"", mount_.source(), "\"\nmountpoint = \"", mount_.mountpoint(),
        "\"\ncache.exclude = [\"*.bin\"]\n", "[[mount]]\nname = \"second\"\nsource = \"", second_source_,
        "\"\nmountpoint = \"", second_, "\"\ncache.mode = \"off\"\n");
    mount_.use_config(toml, {second_});
  }

  TestMount mount_;
  const std::string second_source_ = mount_.dir().make_dir("second-source");
  const std::string second_ = mount_.dir().make_dir("second-mount");
};

TEST_F(TwoMountsTest, EachHasItsOwnModeAndFilters) {
  const Model first = add_model(mount_, "model", kModelSize, Pattern{1});
  const Model excluded = add_model(mount_, "model.bin", kModelSize, Pattern{2});
  make_pattern_file(second_source_ + "/model", kModelSize, Pattern{3});
  const Model off{.path = second_ + "/model", .size = kModelSize, .pattern = Pattern{3}};
  ASSERT_NO_FATAL_FAILURE(mount_.start());
  make_resident(mount_, "model", first);
  EXPECT_TRUE(load_in_order(excluded));
  EXPECT_TRUE(load_in_order(off)) << "the same name, the other source's bytes";
  mount_.wait_idle();
  EXPECT_EQ(mount_.stats().objects, 1U) << mount_.client().ask("ls");
  drop_pages(first.path);
  drop_pages(off.path);
  EXPECT_TRUE(load_in_order(first));
  EXPECT_TRUE(load_in_order(off));
  EXPECT_EQ(mount_.stats().resident, 1U);
}

TEST_F(TwoMountsTest, TheStoreIsSharedAndKeepsThemApart) {
  const Model first = add_model(mount_, "model", kModelSize, Pattern{1});
  make_pattern_file(second_source_ + "/model", kModelSize, Pattern{3});
  const Model second{.path = second_ + "/model", .size = kModelSize, .pattern = Pattern{3}};
  ASSERT_NO_FATAL_FAILURE(mount_.start());
  const Finished active = mount_.cli({"mode", "active"});
  EXPECT_EQ(active.exit_code, 0) << active.output;
  EXPECT_TRUE(load_in_order(first));
  EXPECT_TRUE(load_in_order(second));
  EXPECT_TRUE(TestMount::wait_for([&] { return mount_.stats().resident == 2; })) << mount_.stats().text;
  for (const Model& model : {first, second}) {
    drop_pages(model.path);
    EXPECT_EQ(origin_bytes_of(mount_, [&] { EXPECT_TRUE(load_in_order(model)); }), 0U);
  }
  EXPECT_EQ(mount_.stop(), 0);
  EXPECT_FALSE(is_mountpoint(second_));
}

}  // namespace
}  // namespace arenacache::test
