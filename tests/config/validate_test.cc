// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/validate.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/config/config.h"
#include "arenacache/config/load.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::config {
namespace {

using base::text;
using test::must;

class ValidateTest : public testing::Test {
 protected:
  /// The sentence without the file's name, or "" when it is valid.
  std::string sentence(std::string_view toml) {
    const auto valid = validate(must(load_file(dir_.write_file("config.toml", toml))));
    if (valid) return {};
    EXPECT_TRUE(test::has_kind(valid, base::ErrorKind::invalid));
    const std::string file = dir_.path("config.toml");
    return valid.error().what.starts_with(file) ? valid.error().what.substr(file.size()) : valid.error().what;
  }
  /// A file with a store and one mount a line: "name source mountpoint".
  std::string sentence_of(std::string_view store, const std::vector<std::vector<std::string>>& mounts) {
    std::string toml = text("[store]\npath = \"", store, "\"\n");
    for (const auto& mount : mounts) {
      toml +=
          text("[[mount]]\nname = \"", mount[0], "\"\nsource = \"", mount[1], "\"\nmountpoint = \"", mount[2], "\"\n");
    }
    return sentence(toml);
  }

  test::TempDir dir_;
};

TEST_F(ValidateTest, takes_what_can_be_served) {
  EXPECT_EQ(sentence_of("/s", {{"m", "/nas/m", "/mnt/m"}}), "");
  EXPECT_EQ(sentence_of("/s", {{"m", "/nas/m", "/nas/m"}}), "");
  EXPECT_EQ(sentence_of("/nas/m2", {{"m", "/nas/m", "/nas/m"}}), "");
  EXPECT_EQ(sentence_of("/s", {{"a", "/nas/a", "/nas/a"}, {"b_1-x", "/nas/ab", "/mnt/b"}}), "");
  EXPECT_EQ(sentence_of("/s", {{"a", "/nas/a", "/x"}, {"b", "/nas/a/b", "/y"}}), "");
}

TEST_F(ValidateTest, says_what_is_missing) {
  EXPECT_EQ(sentence("[[mount]]\nsource = \"/a\"\nmountpoint = \"/b\"\n"),
            ": store.path: it is not set: name a folder on the SSD");
  EXPECT_EQ(sentence("[store]\npath = \"/s\"\n"),
            ": nothing is to be mounted: add a [[mount]] with source and mountpoint");
  EXPECT_EQ(sentence("[store]\npath = \"/s\"\n[[mount]]\nmountpoint = \"/b\"\n"),
            ":3: mount.source: it is not set: name the slow folder");
  EXPECT_EQ(sentence("[store]\npath = \"/s\"\n[[mount]]\nsource = \"/b\"\n"),
            ":3: mount.mountpoint: it is not set: name an empty folder, or the source itself");
}

TEST_F(ValidateTest, says_what_is_wrong_with_a_packed_tier) {
  const auto of = [&](std::string_view tiers) {
    return sentence(text("[store]\npath = \"/s\"\n[[mount]]\nsource = \"/a\"\nmountpoint = \"/b\"\n", tiers));
  };
  EXPECT_EQ(of("[[tier]]\ncapacity = \"1GiB\"\n[[tier]]\npath = \"/d/x\"\ncapacity = \"50%\"\n"), "");
  EXPECT_EQ(
      of("[[tier]]\n"),
      ":6: tier.capacity: it is not set: say how much of its disk the tier may take, such as \"200GiB\" or \"40%\"");
  EXPECT_EQ(of("[[tier]]\ncapacity = 1\n[[tier]]\ncapacity = 1\n"),
            ":8: tier.path: it is not set: name a folder for the packed files of this tier");
  EXPECT_EQ(of("[[tier]]\ncapacity = 1\npath = \"x\"\n"),
            ":8: tier.path: the path \"x\" must be absolute, it must begin with \"/\"");
  EXPECT_EQ(of("[[tier]]\ncapacity = 1\nname = \"raw\"\n"),
            ":8: tier.name: the name \"raw\" must be 1 to 64 letters a-z, digits, \"_\" or \"-\", and not \"raw\"");
  EXPECT_EQ(of("[[tier]]\ncapacity = 1\n[[tier]]\ncapacity = 1\npath = \"/d/packed\"\n"),
            ":8: tier.name: two packed tiers are called \"packed\": give one of them another name");
  EXPECT_EQ(
      of("[[tier]]\ncapacity = 1\npath = \"/a/x\"\n"),
      ":8: tier.path: the packed tier \"x\" /a/x lies in the source /a: the mount would show it and cache its files; "
      "choose a folder outside of the source");
  EXPECT_EQ(
      of("[[tier]]\ncapacity = 1\npath = \"/b/x\"\n"),
      ":8: tier.path: the packed tier \"x\" /b/x lies in the mountpoint /b: the mount would hide it; choose a folder "
      "outside of it");
  EXPECT_EQ(of("[[tier]]\ncapacity = 1\npath = \"/s/raw/x\"\n"),
            ":8: tier.path: /s/raw/x has other files of the store /s; choose a folder of its own, such as /s/packed");
  EXPECT_EQ(of("[[tier]]\ncapacity = 1\npath = \"/s\"\n"),
            ":8: tier.path: /s has other files of the store /s; choose a folder of its own, such as /s/packed");
  EXPECT_EQ(
      of("[[tier]]\ncapacity = 1\n[[tier]]\ncapacity = 1\npath = \"/s/packed/x\"\n"),
      ":10: tier.path: the packed tiers \"packed\" and \"x\" lie in one folder; choose a folder of its own for each");
}

TEST_F(ValidateTest, says_what_is_wrong_with_a_value) {
  EXPECT_EQ(sentence_of("ssd", {{"m", "/a", "/b"}}),
            ":2: store.path: the path \"ssd\" must be absolute, it must begin with \"/\"");
  EXPECT_EQ(sentence_of("/", {{"m", "/a", "/b"}}), ":2: store.path: the store must be a folder of its own, not /");
  EXPECT_EQ(sentence_of("/s", {{"m", "a", "/b"}}),
            ":5: mount.source: the path \"a\" must be absolute, it must begin with \"/\"");
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/"}}), ":6: mount.mountpoint: nothing can be mounted over /");
  EXPECT_EQ(sentence_of("/s", {{"My Models", "/a", "/b"}}),
            ":4: mount.name: the name \"My Models\" must be 1 to 64 letters a-z, digits, \"_\" or \"-\"");
  EXPECT_EQ(sentence("[fuse]\nsource_name = \"a b\"\n"),
            ":2: fuse.source_name: \"a b\" must be letters, digits or any of _-.:/@+");
  EXPECT_EQ(sentence(text("[daemon]\nsocket = \"/", std::string(107, 'a'), "\"\n")),
            ":2: daemon.socket: the path of the socket is too long: 107 bytes are the most");
  EXPECT_EQ(sentence("[daemon]\nsocket = \"a.sock\"\n"),
            ":2: daemon.socket: the path \"a.sock\" must be absolute, it must begin with \"/\"");
}

TEST_F(ValidateTest, refuses_twins) {
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/x"}, {"m", "/b", "/y"}}),
            ":8: mount.name: two mounts are called \"m\": give one of them another name");
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/x"}, {"n", "/b", "/x"}}),
            ":10: mount.mountpoint: the mounts \"m\" and \"n\" have one mountpoint, /x");
}

TEST_F(ValidateTest, refuses_a_store_and_a_source_in_each_other) {
  const std::string_view reason =
      ": the mount would show it and cache its files; choose a folder outside of the source";
  EXPECT_EQ(sentence_of("/a/s", {{"m", "/a", "/b"}}),
            text(":2: store.path: the store /a/s lies in the source /a", reason));
  EXPECT_EQ(sentence_of("/a", {{"m", "/a", "/b"}}), text(":2: store.path: the store /a lies in the source /a", reason));
  EXPECT_EQ(sentence_of("/a/../a/s/", {{"m", "/a/", "/b"}}),
            text(":2: store.path: the store /a/s lies in the source /a", reason));
  EXPECT_EQ(
      sentence_of("/s", {{"m", "/s/a", "/b"}}),
      ":5: mount.source: the source /s/a lies in the store /s: the store deletes what it does not know; choose another "
      "folder for the store");
}

TEST_F(ValidateTest, refuses_a_store_and_a_mountpoint_in_each_other) {
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/s/m"}}),
            ":6: mount.mountpoint: the mountpoint /s/m lies in the store /s; choose a folder outside of it");
  EXPECT_EQ(sentence_of("/b/s", {{"m", "/a", "/b"}}),
            ":2: store.path: the store /b/s lies in the mountpoint /b: the mount would hide it; choose a folder "
            "outside of it");
}

TEST_F(ValidateTest, refuses_a_mount_that_the_daemon_would_reach) {
  const std::string_view reason =
      ": the daemon would reach its own mount; mount over the source itself or outside of it";
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/a/b"}}),
            text(":6: mount.mountpoint: the mountpoint /a/b lies in the source /a", reason));
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/x"}, {"n", "/b", "/a/y"}}),
            text(":10: mount.mountpoint: the mountpoint /a/y lies in the source /a", reason));
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/b"}, {"n", "/b", "/y"}}),
            text(":6: mount.mountpoint: the mountpoint /b lies in the source /b", reason));
  EXPECT_EQ(sentence_of("/s", {{"m", "/a", "/x"}, {"n", "/b", "/x/y"}}),
            ":10: mount.mountpoint: the mountpoint /x/y lies in the mountpoint /x of the mount \"m\"");
  EXPECT_EQ(
      sentence_of("/s", {{"m", "/x/a", "/x"}}),
      ":6: mount.mountpoint: the source /x/a lies in the mountpoint /x: the mount would hide it; mount over the source "
      "itself or elsewhere");
  EXPECT_EQ(sentence("[daemon]\nsocket = \"/x/a.sock\"\n[store]\npath = \"/s\"\n[[mount]]\nsource = \"/a\"\nmountpoint "
                     "= \"/x\"\n"),
            ":2: daemon.socket: the socket /x/a.sock lies in the mountpoint /x");
}

TEST_F(ValidateTest, names_the_flag_where_there_is_no_file) {
  const auto complaint = [](const std::vector<const char*>& argv) {
    const auto valid = validate(must(parse_command_line(static_cast<int>(argv.size()), argv.data())).config);
    return valid ? std::string() : valid.error().what;
  };
  EXPECT_EQ(complaint({"d"}), "--store: it is not set: name a folder on the SSD");
  EXPECT_EQ(complaint({"d", "--store", "/s"}), "--source: nothing is to be mounted: give --source DIR and --mount DIR");
  EXPECT_EQ(complaint({"d", "--store", "/s", "--source", "/a"}),
            "--mount: it is not set: name an empty folder, or the source itself");
  EXPECT_EQ(complaint({"d", "--store", "/s", "--mount", "/a"}), "--source: it is not set: name the slow folder");
  EXPECT_EQ(
      complaint({"d", "--store", "/a/s", "--source", "/a", "--mount", "/b"}),
      "--store: the store /a/s lies in the source /a: the mount would show it and cache its files; choose a folder "
      "outside of the source");
  EXPECT_EQ(complaint({"d", "--store", "/s", "--source", "/a", "--mount", "/b"}), "");
}

TEST_F(ValidateTest, knows_the_policies_whoever_made_the_config) {
  Config config;
  config.cache.policy = "arc";
  const auto valid = validate(config);
  ASSERT_TRUE(test::has_kind(valid, base::ErrorKind::invalid));
  EXPECT_EQ(valid.error().what, "--cache-policy: \"arc\" is not known; there is: lru");
}

}  // namespace
}  // namespace arenacache::config
