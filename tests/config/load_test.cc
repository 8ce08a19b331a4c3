// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/load.h"

#include <gtest/gtest.h>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): setenv is POSIX

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "arenacache/config/config.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::config {
namespace {

using namespace std::chrono_literals;
using base::text;
using test::must;

using Strings = std::vector<std::string>;

class LoadTest : public testing::Test {
 protected:
  base::Result<Config> load(std::string_view toml) { return load_file(dir_.write_file("config.toml", toml)); }
  /// The sentence without the file's name, or "" when it loads.
  std::string sentence(std::string_view toml) {
    const auto loaded = load(toml);
    if (loaded) return {};
    EXPECT_TRUE(test::has_kind(loaded, base::ErrorKind::invalid));
    const std::string file = dir_.path("config.toml");
    EXPECT_TRUE(loaded.error().what.starts_with(file)) << loaded.error().what;
    return loaded.error().what.substr(file.size());
  }

  test::TempDir dir_;
};

TEST_F(LoadTest, an_empty_file_is_the_defaults) {
  const Config config = must(load(""));
  EXPECT_EQ(config.file, dir_.path("config.toml"));
  EXPECT_EQ(config.cache.mode, CacheMode::active);
  EXPECT_EQ(config.store.capacity, (Capacity{.bytes = 0, .percent = 80}));
  EXPECT_FALSE(config.cache.settle.has_value());
  EXPECT_TRUE(config.mounts.empty());
  EXPECT_TRUE(config.places.empty());
}

TEST_F(LoadTest, reads_every_type_of_value) {
  const Config config = must(load(R"(
[daemon]
socket = "/run//a/../a.sock"
log_level = "warn"
[store]
path = "/ssd/store/"
capacity = "12.5%"
keep_free = 1048576
[cache]
mode = "use-only"
min_size = "8MiB"
include = ["*.safetensors", "a/{b,c}/**"]
metadata_ttl = "1.5s"
settle = "7s"
serve_stale = false
[fill]
threads = 3
bandwidth_limit = "50MB"
[origin]
fidelity = "path"
kind = "fast"
)"));
  EXPECT_EQ(config.daemon.socket, "/run/a.sock");
  EXPECT_EQ(config.daemon.log_level, base::LogLevel::warn);
  EXPECT_EQ(config.store.path, "/ssd/store");
  EXPECT_EQ(config.store.capacity.percent, 12.5);
  EXPECT_EQ(config.store.keep_free, (Capacity{.bytes = base::kMiB, .percent = 0}));
  EXPECT_EQ(config.cache.mode, CacheMode::use_only);
  EXPECT_EQ(config.cache.min_size, 8 * base::kMiB);
  EXPECT_EQ(config.cache.include, (Strings{"*.safetensors", "a/{b,c}/**"}));
  EXPECT_EQ(config.cache.metadata_ttl, 1500ms);
  EXPECT_EQ(config.cache.settle, 7s);
  EXPECT_FALSE(config.cache.serve_stale);
  EXPECT_EQ(config.fill.threads, 3U);
  EXPECT_EQ(config.fill.bandwidth_limit, 50'000'000U);
  EXPECT_EQ(config.origin.fidelity, FidelityChoice::path);
  EXPECT_EQ(config.origin.kind, OriginKind::fast);
}

TEST_F(LoadTest, a_mount_has_the_global_tables_with_its_own_keys_over_them) {
  const Config config = must(load(R"(
[[mount]]
source = "/nas/models"
mountpoint = "/mnt/My Models"
cache.mode = "off"
[mount.fill]
parallel = 9
[[mount]]
name = "second"
source = "/nas/two"
mountpoint = "/two"
[cache]
mode = "use-only"
min_size = "1MiB"
)"));
  ASSERT_EQ(config.mounts.size(), 2U);
  EXPECT_EQ(config.mounts[0].name, "my-models");
  EXPECT_EQ(config.mounts[0].cache.mode, CacheMode::off);
  EXPECT_EQ(config.mounts[0].cache.min_size, base::kMiB);
  EXPECT_EQ(config.mounts[0].fill.parallel, 9U);
  EXPECT_EQ(config.mounts[1].name, "second");
  EXPECT_EQ(config.mounts[1].cache.mode, CacheMode::use_only);
  EXPECT_EQ(config.mounts[1].fill.parallel, std::nullopt);
}

TEST_F(LoadTest, remembers_where_a_key_was_set) {
  const Config config = must(load("[store]\npath = \"/s\"\n\n[[mount]]\nsource = \"/a\"\ncache.mode = \"off\"\n"));
  const std::string file = dir_.path("config.toml");
  EXPECT_EQ(config.places.at("store.path"), text(file, ":2"));
  EXPECT_EQ(config.places.at("mount.0"), text(file, ":4"));
  EXPECT_EQ(config.places.at("mount.0.source"), text(file, ":5"));
  EXPECT_EQ(config.places.at("mount.0.cache.mode"), text(file, ":6"));
  EXPECT_FALSE(config.places.contains("cache.mode"));
}

TEST_F(LoadTest, takes_variables_from_the_environment) {
  ::setenv("ARENACACHE_TEST_DIR", "/ssd/${HOME}", 1);
  ::setenv("ARENACACHE_TEST_THREADS", "7", 1);
  ::setenv("ARENACACHE_TEST_TOGGLE", "true", 1);
  const Config config = must(load(R"(
[store]
path = "${ARENACACHE_TEST_DIR}/store"
[cache]
include = ["*.$x", "${ARENACACHE_TEST_THREADS}.bin"]
[fill]
threads = "${ARENACACHE_TEST_THREADS}"
on_write = "${ARENACACHE_TEST_TOGGLE}"
)"));
  EXPECT_EQ(config.store.path, "/ssd/${HOME}/store");
  EXPECT_EQ(config.cache.include, (Strings{"*.$x", "7.bin"}));
  EXPECT_EQ(config.fill.threads, 7U);
  EXPECT_TRUE(config.fill.on_write);
}

TEST_F(LoadTest, each_mistake_is_one_sentence_with_line_and_key) {
  const std::vector<std::pair<std::string_view, std::string_view>> cases = {
      // Unknown names.
      {"[cache]\nmin_sise = \"1MiB\"\n", ":2: cache.min_sise is not an option; did you mean cache.min_size?"},
      {"[cache]\nthreads = 2\n", ":2: cache.threads is not an option; did you mean fill.threads?"},
      {"[cache]\nfrobnicate = 2\n", ":2: cache.frobnicate is not an option"},
      {"\nmode = \"off\"\n", ":2: mode is not an option; did you mean cache.mode?"},
      {"[cach]\nmode = \"off\"\n", ":1: [cach] is not a table of options; did you mean [cache]?"},
      {"[elsewhere]\n", ":1: [elsewhere] is not a table of options"},
      {"[[mount]]\nmode = \"off\"\n", ":2: mount.mode is not an option; did you mean cache.mode?"},
      {"[[mount]]\nsorce = \"/a\"\n", ":2: mount.sorce is not an option; did you mean mount.source?"},
      {"[[mount]]\n[mount.cash]\nmode = \"off\"\n", ":2: [mount.cash] is not a table of options"},
      // Things in the wrong place.
      {"cache = 1\n", ":1: cache is a table: write [cache]"},
      {"[mount]\nsource = \"/a\"\n", ":1: mounts are a list of tables: write [[mount]], with two brackets"},
      {"[[mount]]\nstore.path = \"/a\"\n", ":2: store.path cannot be set for one mount: it belongs in [store]"},
      {"[[mount]]\nfill.threads = 3\n", ":2: fill.threads cannot be set for one mount: it belongs in [fill]"},
      // Types.
      {"[fill]\nthreads = \"3\"\n", ":2: fill.threads: it must be a whole number, not a string"},
      {"[fill]\nthreads = 1.5\n", ":2: fill.threads: it must be a whole number, not a number with a fraction"},
      {"[fill]\non_write = \"yes\"\n", ":2: fill.on_write: it must be true or false, not a string"},
      {"[cache]\ninclude = \"*.bin\"\n",
       ":2: cache.include: it must be a list of strings such as [\"a\", \"b\"], not a string"},
      {"[cache]\ninclude = [1]\n", ":2: cache.include: every item of the list must be a string"},
      {"[cache]\nmin_size = true\n", ":2: cache.min_size: it must be a size such as \"4MiB\", not true or false"},
      {"[cache]\nmetadata_ttl = 30\n",
       ":2: cache.metadata_ttl: it must be a duration such as \"30s\", not a whole number"},
      {"[store]\npath = 3\n", ":2: store.path: it must be a string, not a whole number"},
      {"[cache]\nmode = 1\n", ":2: cache.mode: it must be one of active, use-only, off, not a whole number"},
      {"[store]\npath = {a = 1}\n", ":2: store.path: it must not be a table"},
      {"[store]\npath = 2024-01-01\n", ":2: store.path: it must not be a date"},
      // Values.
      {"[cache]\nmode = \"on\"\n", ":2: cache.mode: \"on\" is not one of active, use-only, off"},
      {"[cache]\npolicy = \"arc\"\n", ":2: cache.policy: \"arc\" is not known; there is: lru"},
      {"[cache]\nmin_size = \"big\"\n",
       ":2: cache.min_size: \"big\" is not a size: write a number with KiB, MiB, GiB or TiB, such as \"200GiB\""},
      {"[cache]\nmin_size = -1\n", ":2: cache.min_size: it must not be negative"},
      {"[cache]\nmetadata_ttl = \"30\"\n",
       ":2: cache.metadata_ttl: the duration \"30\" has no unit: write \"30s\", \"30m\" or \"30ms\""},
      {"[store]\ncapacity = \"120%\"\n", ":2: store.capacity: \"120%\" is not between 0% and 100%"},
      {"[store]\ncapacity = \"x%\"\n", ":2: store.capacity: \"x%\" is not a percent: write one such as \"80%\""},
      {"[store]\ncapacity = \"1MiB\"\n", ":2: store.capacity: it must be at least 16.0 MiB"},
      {"[fill]\nthreads = 0\n", ":2: fill.threads: it must be between 1 and 64"},
      {"[fill]\nthreads = -5\n", ":2: fill.threads: it must be between 1 and 64"},
      {"[fill]\nparallel = 65\n", ":2: fill.parallel: it must be between 1 and 64"},
      {"[fuse]\nreadahead = \"2GiB\"\n", ":2: fuse.readahead: it must be between 0 B and 1.0 GiB"},
      {"[origin]\ntimeout = \"1ms\"\n", ":2: origin.timeout: it must be between 100 ms and 1 h 00 m"},
      {"[[mount]]\nname = \"a\"\ncache.mode = \"x\"\n", ":3: cache.mode: \"x\" is not one of active, use-only, off"},
      // The environment.
      {"[store]\npath = \"${ARENACACHE_TEST_UNSET}/a\"\n",
       ":2: store.path: the environment variable ARENACACHE_TEST_UNSET is not set"},
      {"[store]\npath = \"${HOME/a\"\n", ":2: store.path: \"${\" without a \"}\" after it"},
      // The first wrong line is named, whatever its table is called.
      {"[store]\nzzz = 1\n[cache]\nyyy = 2\n", ":2: store.zzz is not an option"},
      {"[store]\npath = 1\n[cache]\nmode = \"x\"\n", ":2: store.path: it must be a string, not a whole number"},
  };
  for (const auto& [toml, expected] : cases) EXPECT_EQ(sentence(toml), expected) << toml;
}

TEST_F(LoadTest, broken_toml_is_told_with_its_line) {
  EXPECT_TRUE(sentence("[store]\npath = \n").starts_with(":2: this is not TOML: ")) << sentence("[store]\npath = \n");
  EXPECT_TRUE(sentence("[store]\npath = \"/a\"\npath = \"/b\"\n").starts_with(":3: this is not TOML: "));
  EXPECT_TRUE(sentence(std::string(100'000, '[')).starts_with(":1: this is not TOML: "));
}

TEST_F(LoadTest, a_file_that_cannot_be_read_is_an_error) {
  const auto missing = load_file(dir_.path("none.toml"));
  ASSERT_TRUE(test::has_kind(missing, base::ErrorKind::invalid));
  EXPECT_EQ(missing.error().what, text("cannot open ", dir_.path("none.toml"), ": No such file or directory"));
  EXPECT_TRUE(test::has_kind(load_file(dir_.path()), base::ErrorKind::invalid));
  EXPECT_EQ(sentence(std::string(base::kMiB + 1, '#')), ": this is no configuration: it has more than 1 MiB");
}

}  // namespace
}  // namespace arenacache::config
