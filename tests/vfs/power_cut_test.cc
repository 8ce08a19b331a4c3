// SPDX-License-Identifier: Apache-2.0
// The power goes at the very moment at which a change made through a mount reaches the source: then nothing that the store kept
// is a file's old bytes. A real mount, of a source whose calls are watched, over a store that forgets what was not synced.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/base/units.h"
#include "arenacache/cache/engine.h"
#include "arenacache/origin/local_origin.h"
#include "arenacache/store/index.h"
#include "arenacache/vfs/mirror.h"
#include "support/fake_page_cache.h"
#include "support/faulty_file_io.h"
#include "support/lender.h"
#include "support/matchers.h"
#include "support/sqlite_file_io.h"
#include "support/store_files.h"
#include "support/temp_dir.h"
#include "watched_origin.h"

namespace arenacache::vfs {
namespace {

using base::UniqueFd;

constexpr std::size_t kSize = base::kMiB + 5;
constexpr auto kPatience = std::chrono::seconds(90);

using config::FidelityChoice;

/// What a program does on the mount. True: it could.
struct Deed {
  const char* name;
  bool (*run)(int mount);
};

UniqueFd open_at(int folder, const char* name, int flags) {
  return UniqueFd(::openat(folder, name, flags | O_CLOEXEC, 0644));
}

bool opens(int mount, int flags) { return open_at(mount, "a", flags).is_open(); }

bool writes(int mount, int flags) { return ::write(open_at(mount, "a", flags).get(), "changed", 7) == 7; }

bool writes_by_mapping(int mount) {
  const UniqueFd file = open_at(mount, "a", O_RDWR);
  void* memory = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
  if (memory == MAP_FAILED) return false;
  static_cast<char*>(memory)[4097] ^= 1;
  const bool is_synced = ::msync(memory, kSize, MS_SYNC) == 0;
  return ::munmap(memory, kSize) == 0 && is_synced;
}

bool copies(int mount) {
  const UniqueFd from = open_at(mount, "b", O_RDONLY), to = open_at(mount, "a", O_RDWR);
  off_t from_offset = 5, to_offset = 7000;
  return ::copy_file_range(from.get(), &from_offset, to.get(), &to_offset, 1000, 0) == 1000;
}

bool punches(int mount) {
  return ::fallocate(open_at(mount, "a", O_RDWR).get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192) == 0;
}

constexpr std::array kDeeds = {
    Deed{"Write", [](int mount) { return writes(mount, O_RDWR); }},
    Deed{"Append", [](int mount) { return writes(mount, O_RDWR | O_APPEND); }},
    Deed{"WriteByMapping", writes_by_mapping},
    Deed{"OpenToTruncate", [](int mount) { return opens(mount, O_RDWR | O_TRUNC); }},
    Deed{"OpenForReadingToTruncate", [](int mount) { return opens(mount, O_RDONLY | O_TRUNC); }},
    Deed{"Truncate",
         [](int mount) { return ::truncate(base::text("/proc/self/fd/", mount, "/a").c_str(), 4096) == 0; }},
    Deed{"CreateOver", [](int mount) { return opens(mount, O_RDWR | O_CREAT | O_TRUNC); }},
    Deed{"PunchHole", punches},
    Deed{"CopyFileRange", copies},
    Deed{"Rename", [](int mount) { return ::renameat(mount, "a", mount, "c") == 0; }},
    Deed{"RenameOver", [](int mount) { return ::renameat(mount, "b", mount, "a") == 0; }},
    Deed{"Exchange", [](int mount) { return ::renameat2(mount, "a", mount, "b", RENAME_EXCHANGE) == 0; }},
    Deed{"Unlink", [](int mount) { return ::unlinkat(mount, "a", 0) == 0; }},
};

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A FUSE file system that is mounted nowhere, and gone with its last descriptor.
struct Mount {
  UniqueFd fuse;
  UniqueFd root;
};

Mount make_mount() {
  Mount mount{.fuse = UniqueFd(::open("/dev/fuse", O_RDWR | O_CLOEXEC)), .root = {}};
  const UniqueFd context(::fsopen("fuse", FSOPEN_CLOEXEC));
  const auto set = [&](const char* key, const std::string& value) {
    return ::fsconfig(context.get(), FSCONFIG_SET_STRING, key, value.c_str(), 0) == 0;
  };
  const bool is_set = set("fd", std::to_string(mount.fuse.get())) && set("rootmode", "40000") && set("user_id", "0") &&
                      set("group_id", "0");
  if (!is_set || ::fsconfig(context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0) return {};
  mount.root = UniqueFd(::fsmount(context.get(), FSMOUNT_CLOEXEC, 0));
  return mount;
}

class PowerCutTest : public ::testing::Test {
 protected:
  explicit PowerCutTest(FidelityChoice fidelity = FidelityChoice::automatic) : fidelity_(fidelity), sqlite_(io_) {
    io_.spare_the_disk();
    std::filesystem::create_directories(source_);
    for (const char name : {'a', 'b'}) dir_.write_file(base::text("source/", name), std::string(kSize, name));
    config_.store.path = dir_.path("store");
    config_.store.capacity = {.bytes = 64 * base::kMiB, .percent = 0};
    config_.store.keep_free = {.bytes = 0, .percent = 0};
    config_.cache.settle = std::chrono::nanoseconds(0);
    config_.cache.min_size = 0;
    config_.mounts = {{.name = "models",
                       .source = source_,
                       .mountpoint = source_,
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
  }
  ~PowerCutTest() override { stop(); }

  void SetUp() override {
    mount_ = make_mount();
    if (mount_.root.is_open()) return start();
    if (std::getenv("CI") != nullptr) FAIL() << "no FUSE here";  // NOLINT(concurrency-mt-unsafe)
    GTEST_SKIP() << "no FUSE here";
  }

  void start() {
    base::UniqueFd folder = open_at(AT_FDCWD, source_.c_str(), O_PATH | O_DIRECTORY);
    const origin::SourceFacts facts = test::must(origin::ask_source(folder.get()));
    origin_ = std::make_shared<test::WatchedOrigin>(
        std::make_shared<origin::LocalOrigin>(std::move(folder), facts, fidelity_), [this] { cut_power(); });
    guard_ = std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), clock_, origin::GuardLimits{});
    engine_ = test::must(
        cache::Engine::create(config_, {.clock = clock_, .io = io_, .background = pool_, .page_cache = page_cache_}));
    const auto source = engine_->add_source(config_.mounts[0], guard_);
    engine_->start();
    for (const char* name : {"a", "b"}) {
      engine_->prefetch(
          {.source = source, .path = name, .version = origin::version_of(test::must(origin_->stat(name)))});
    }
    eventually([&] { return engine_->stats().tiers[0].resident == 2; });
    Inheritance nothing{.area = test::must(handover::Area::open(test::must(handover::Area::create()))), .kept = {}};
    mirror_ = test::must(Mirror::start(
        std::move(mount_.fuse), {.source = source, .mount = config_.mounts[0], .fuse = config_.fuse, .keeper = {}},
        std::move(nothing), *engine_, clock_));
    mirror_->serve();
  }
  void stop() {
    mount_.root.reset();
    mirror_.reset();
    if (guard_) guard_->stop();
    if (engine_) engine_->stop();
    pool_.stop();
    engine_.reset();
  }
  /// From now on the store's disk takes nothing, and has only what was synced.
  void cut_power() {
    if (!is_cut_.exchange(true)) io_.fail_from(1, EIO);
  }
  static void eventually(const std::function<bool()>& is_true) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!is_true() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    ASSERT_TRUE(is_true());
  }

  /// The source's file that a row speaks of: by its inode, where that tells.
  [[nodiscard]] std::optional<std::string> source_file(const store::IndexRow& row) const {
    for (const auto& entry : std::filesystem::directory_iterator(source_)) {
      struct stat attributes{};
      if (::stat(entry.path().c_str(), &attributes) != 0) continue;
      const bool is_it =
          row.origin.inode != 0 ? attributes.st_ino == row.origin.inode : entry.path().filename() == row.origin.path;
      if (is_it) return entry.path().string();
    }
    return std::nullopt;
  }
  /// What the next life would serve, were size and time the same.
  void expect_nothing_old() {
    io_.lose_unsynced();
    io_.heal();
    store::IndexContents contents;
    const auto index = test::must(store::Index::open(dir_.path("store/index.db"), contents));
    EXPECT_FALSE(contents.was_reset);
    for (const auto& row : contents.rows) {
      const auto source = source_file(row);
      for (const auto& path : test::raw_files(config_.store.path)) {
        const auto id = std::stoull(std::filesystem::path(path).filename(), nullptr, 16);
        if (row.dirty || id != store::to_number(row.id)) continue;
        ASSERT_TRUE(source.has_value()) << row.origin.path << " is gone from the source";
        EXPECT_TRUE(bytes_of(path) == bytes_of(*source)) << row.origin.path;
      }
    }
    test::must(index->close());
  }

  const FidelityChoice fidelity_;
  base::SystemClock clock_;
  test::TempDir dir_;
  test::FaultyFileIo io_;
  test::SqliteFileIo sqlite_;
  test::FakePageCache page_cache_;
  base::ThreadPool pool_{"background", 3};
  const std::string source_ = dir_.path("source");
  config::Config config_;
  std::atomic<bool> is_cut_{false};
  Mount mount_;
  std::shared_ptr<test::WatchedOrigin> origin_;
  test::Lender lender_;
  std::shared_ptr<origin::GuardedOrigin> guard_;
  std::unique_ptr<cache::Engine> engine_;
  std::unique_ptr<Mirror> mirror_;
};

/// The kernel writes the source's file by itself, and nobody hears of it.
TEST_F(PowerCutTest, AfterAnOpenForWritingAlone) {
  const UniqueFd file = open_at(mount_.root.get(), "a", O_WRONLY);
  const bool is_by_kernel = engine_->stats().passthrough.at(0).is_available;
  if (is_by_kernel) cut_power();
  EXPECT_EQ(::write(file.get(), "changed", 7), 7);
  EXPECT_TRUE(is_cut_);
  stop();
  expect_nothing_old();
}

using DeedParam = std::tuple<std::size_t, FidelityChoice>;

class PowerCutInDeedTest : public PowerCutTest, public ::testing::WithParamInterface<DeedParam> {
 protected:
  PowerCutInDeedTest() : PowerCutTest(std::get<FidelityChoice>(GetParam())) {}
};

TEST_P(PowerCutInDeedTest, LeavesNothingOldInTheStore) {
  EXPECT_TRUE(kDeeds.at(std::get<std::size_t>(GetParam())).run(mount_.root.get())) << errno;
  EXPECT_TRUE(is_cut_) << "the source was not asked";
  stop();
  expect_nothing_old();
}

std::string name_of(const ::testing::TestParamInfo<DeedParam>& about) {
  return base::text(kDeeds.at(std::get<std::size_t>(about.param)).name,
                    std::get<FidelityChoice>(about.param) == FidelityChoice::path ? "ByPath" : "ByInode");
}

INSTANTIATE_TEST_SUITE_P(Mount, PowerCutInDeedTest,
                         ::testing::Combine(::testing::Range(std::size_t{0}, kDeeds.size()),
                                            ::testing::Values(FidelityChoice::path, FidelityChoice::automatic)),
                         name_of);

}  // namespace
}  // namespace arenacache::vfs
