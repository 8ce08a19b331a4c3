// SPDX-License-Identifier: Apache-2.0
// Passthrough: resident files are read by the kernel itself; every way into and out of that, beside what else goes on.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/loop_disk.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

UniqueFd open_file(const std::string& path, int flags = O_RDONLY) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC));
  EXPECT_TRUE(fd.is_open()) << path << ": " << std::strerror(errno);
  return fd;
}

/// A private mapping of a whole file.
class Mapping {
 public:
  Mapping(int fd, std::uint64_t size) : size_(size), at_(::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0)) {
    EXPECT_NE(at_, MAP_FAILED) << std::strerror(errno);
  }
  ~Mapping() { ::munmap(at_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  [[nodiscard]] std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(at_), size_}; }

 private:
  std::uint64_t size_;
  void* at_;
};

class PassthroughTest : public ModelTest {
 protected:
  /// Starts the mount; skips the test where the kernel has no passthrough (before Linux 6.9).
  static bool start(TestMount& mount) {
    mount.start();
    return !HasFatalFailure() && mount.stats().has_passthrough;
  }
  static std::uint64_t opens_by_kernel(const TestMount& mount) { return mount.stats().opens_passthrough; }
};

#define START_OR_SKIP(mount)                                                          \
  if (!start(mount)) {                                                                \
    ASSERT_FALSE(HasFatalFailure());                                                  \
    GTEST_SKIP() << "no passthrough here: " << (mount).stats().no_passthrough_reason; \
  }                                                                                   \
  static_assert(true)

TEST_F(PassthroughTest, ResidentFileIsReadByTheKernelAlone) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  const Stats before = mount.stats();
  const UniqueFd fd = open_file(model.path);
  EXPECT_TRUE(range_is(fd.get(), 0, model.size, model.pattern));
  EXPECT_TRUE(bytes_are(Mapping(fd.get(), model.size).bytes(), 0, model.pattern));
  EXPECT_TRUE(load_direct(model));
  const Stats after = mount.stats();
  EXPECT_EQ(after.opens_passthrough, before.opens_passthrough + 2);
  EXPECT_EQ(after.opens_hit, before.opens_hit + 2);
  EXPECT_EQ(after.reads_hit + after.reads_miss, before.reads_hit + before.reads_miss) << "the daemon was asked";
  EXPECT_EQ(after.origin_read_bytes, before.origin_read_bytes);
}

TEST_F(PassthroughTest, OffMeansServedByTheDaemon) {
  TestMount mount({.flags = {{"--fuse-passthrough", "off"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  EXPECT_TRUE(load_in_order(model));
  EXPECT_EQ(mount.stats().opens_passthrough, 0U);
  EXPECT_GT(mount.stats().opens_served, 0U);
  EXPECT_EQ(mount.stats().no_passthrough_reason, "fuse.passthrough is off");
  EXPECT_TRUE(mount.log().contains("fuse.passthrough is off")) << mount.log();
}

TEST_F(PassthroughTest, SmallFilesAreServed) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "small", 2 * kMiB);
  EXPECT_TRUE(load_in_order(model));
  EXPECT_EQ(mount.client().ask("prefetch", R"({"paths":["small"]})").find("error"), std::string::npos);
  mount.wait_resident("small");
  EXPECT_TRUE(load_in_order(model));
  EXPECT_EQ(opens_by_kernel(mount), 0U) << "a node of a small file is never replaced";
}

TEST_F(PassthroughTest, NameOfAFileKeptOpenSinceItWasColdGetsANodeThatTheKernelReads) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  const UniqueFd cold = open_file(model.path);
  const Mapping mapping(cold.get(), model.size);
  make_resident(mount, "model", model);
  ASSERT_EQ(opens_by_kernel(mount), 0U);
  struct stat was{}, is{};
  ASSERT_EQ(::fstat(cold.get(), &was), 0);
  const UniqueFd next = open_file(model.path);
  EXPECT_EQ(opens_by_kernel(mount), 1U);
  ASSERT_EQ(::fstat(next.get(), &is), 0);
  EXPECT_EQ(was.st_ino, is.st_ino);
  EXPECT_TRUE(range_is(next.get(), 0, model.size, model.pattern));
  EXPECT_TRUE(range_is(cold.get(), 0, model.size, model.pattern));
  EXPECT_TRUE(bytes_are(mapping.bytes(), 0, model.pattern));
  const UniqueFd reopened = open_file(base::text("/proc/self/fd/", cold.get()));
  EXPECT_TRUE(range_is(reopened.get(), 0, model.size, model.pattern)) << "of the node that is served";
  const UniqueFd again = open_file(base::text("/proc/self/fd/", next.get()));
  EXPECT_TRUE(range_is(again.get(), 0, model.size, model.pattern)) << "of the node that the kernel reads";
}

TEST_F(PassthroughTest, WhoHasAFileOpenSinceItWasColdSeesAWriteUnderItsNewNode) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  const UniqueFd cold = open_file(model.path);
  EXPECT_TRUE(range_is(cold.get(), 0, model.size, model.pattern));
  mount.wait_resident("model");
  const UniqueFd warm = open_file(model.path);
  ASSERT_GT(opens_by_kernel(mount), 0U);
  const UniqueFd writer = open_file(model.path, O_RDWR);
  for (const std::string bytes : {"first", "other"}) {
    ASSERT_EQ(::pwrite(writer.get(), bytes.data(), bytes.size(), 3 * kMiB), static_cast<ssize_t>(bytes.size()));
    std::string got(bytes.size(), '\0');
    ASSERT_EQ(::pread(cold.get(), got.data(), got.size(), 3 * kMiB), static_cast<ssize_t>(got.size()));
    EXPECT_EQ(got, bytes);
  }
  const std::uint64_t longer = model.size + kMiB;
  ASSERT_EQ(::ftruncate(writer.get(), static_cast<off_t>(longer)), 0);
  std::vector<std::byte> buffer(longer + 1);
  EXPECT_EQ(::pread(cold.get(), buffer.data(), buffer.size(), 0), static_cast<ssize_t>(longer));
}

TEST_F(PassthroughTest, EveryNameOfAFileFindsTheNewNode) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  ASSERT_EQ(::link(mount.from("model").c_str(), mount.from("other-name").c_str()), 0);
  const UniqueFd cold = open_file(mount.at("other-name"));
  make_resident(mount, "model", model);
  const UniqueFd one = open_file(model.path);
  const UniqueFd two = open_file(mount.at("other-name"));
  EXPECT_TRUE(range_is(two.get(), 0, model.size, model.pattern));
  EXPECT_EQ(opens_by_kernel(mount), 2U);
}

/// What readers in passthrough must not notice, and new opens must.
struct Change {
  const char* name;
  void (*apply)(const std::string& path);
};

class PassthroughWriterTest : public PassthroughTest, public ::testing::WithParamInterface<Change> {};

TEST_P(PassthroughWriterTest, ReadersKeepWhatTheyOpenedAndNewOpensSeeTheChange) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  const UniqueFd reader = open_file(model.path);
  const Mapping mapping(reader.get(), model.size);
  ASSERT_EQ(opens_by_kernel(mount), 1U);
  const auto files = mount.store_files();
  ASSERT_EQ(files.size(), 1U);
  const UniqueFd stored = open_file(files[0]);
  GetParam().apply(model.path);
  EXPECT_EQ(content_hash(model.path), content_hash(mount.from("model"))) << "a new open";
  EXPECT_FALSE(file_is(model.path, model.size, model.pattern)) << "nothing changed";
  EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern)) << "the old open";
  EXPECT_TRUE(bytes_are(mapping.bytes(), 0, model.pattern)) << "the old mapping";
  EXPECT_TRUE(range_is(stored.get(), 0, model.size, model.pattern)) << "a store file was written";
}

INSTANTIATE_TEST_SUITE_P(
    Changes, PassthroughWriterTest,
    ::testing::Values(Change{"write",
                             [](const std::string& path) {
                               EXPECT_EQ(::pwrite(open_file(path, O_WRONLY).get(), "new", 3, 9 << 20), 3);
                             }},
                      Change{"append",
                             [](const std::string& path) {
                               EXPECT_EQ(::write(open_file(path, O_WRONLY | O_APPEND).get(), "new", 3), 3);
                             }},
                      Change{"shared_mapping",
                             [](const std::string& path) {
                               const UniqueFd fd = open_file(path, O_RDWR);
                               void* const at =
                                   ::mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 1 << 20);
                               ASSERT_NE(at, MAP_FAILED);
                               std::memcpy(at, "new", 3);
                               EXPECT_EQ(::msync(at, 8192, MS_SYNC), 0);
                               ::munmap(at, 8192);
                             }},
                      Change{"truncate",
                             [](const std::string& path) { EXPECT_EQ(::truncate(path.c_str(), 5 << 20), 0); }},
                      Change{"open_truncating",
                             [](const std::string& path) {
                               EXPECT_EQ(::write(open_file(path, O_WRONLY | O_TRUNC).get(), "new", 3), 3);
                             }},
                      Change{"rename_over",
                             [](const std::string& path) {
                               put_content(path + ".new", "new");
                               EXPECT_EQ(::rename((path + ".new").c_str(), path.c_str()), 0);
                             }},
                      Change{"unlink_and_make",
                             [](const std::string& path) {
                               EXPECT_EQ(::unlink(path.c_str()), 0);
                               put_content(path, "new");
                             }}),
    [](const auto& one) { return one.param.name; });

TEST_F(PassthroughTest, ReaderOfAnUnlinkedFileReadsOnAndMayOpenItAgain) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  const UniqueFd reader = open_file(model.path);
  ASSERT_EQ(::unlink(model.path.c_str()), 0);
  EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
  const UniqueFd again = open_file(base::text("/proc/self/fd/", reader.get()));
  EXPECT_TRUE(range_is(again.get(), 0, model.size, model.pattern));
}

TEST_F(PassthroughTest, EvictedFileIsReadOnByWhoHasItOpenOrMapped) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  UniqueFd reader = open_file(model.path);
  const Mapping mapping(reader.get(), model.size);
  EXPECT_EQ(mount.cli({"evict", mount.at("model")}).exit_code, 0);
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.store_files().empty(); }));
  EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
  const Model anew{.path = model.path, .size = model.size, .pattern = model.pattern};
  make_resident(mount, "model", anew);
  reader.reset();
  EXPECT_TRUE(bytes_are(mapping.bytes(), 0, model.pattern)) << "the mapping outlives the close";
}

TEST_F(PassthroughTest, ChangeBehindOurBackGivesANewNode) {
  TestMount mount({.flags = {{"--cache-metadata-ttl", "0"}}});
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  const UniqueFd reader = open_file(model.path);
  make_pattern_file(mount.from("model"), model.size, Pattern{2});
  set_age(mount.from("model"), 7000);
  EXPECT_TRUE(file_is(model.path, model.size, Pattern{2}));
  EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
}

/// Opens, reads and closes for as long as files come and go under it.
TEST_F(PassthroughTest, OpensThatRaceWithFillsAndEvictionsAreAllAnswered) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model", 8 * kMiB);
  std::atomic<bool> is_over{false};
  std::atomic<int> opens{0};
  const auto read_again_and_again = [&](int reader) -> ::testing::AssertionResult {
    while (!is_over.load()) {
      const UniqueFd fd(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd.is_open()) return ::testing::AssertionFailure() << "open: " << std::strerror(errno);
      const std::uint64_t offset = static_cast<std::uint64_t>(reader) * kMiB;
      if (auto read = range_is(fd.get(), offset, kMiB, model.pattern); !read) return read;
      ++opens;
    }
    return ::testing::AssertionSuccess();
  };
  const auto turn_over = [&]() -> ::testing::AssertionResult {
    for (int round = 0; round < 12; ++round) {
      static_cast<void>(mount.client().ask("prefetch", R"({"paths":["model"]})"));
      const std::uint64_t before = opens_by_kernel(mount);
      const bool was_read = TestMount::wait_for([&] { return opens_by_kernel(mount) > before; });
      if (!was_read) return ::testing::AssertionFailure() << "never in passthrough: " << mount.stats().text;
      static_cast<void>(mount.client().ask("evict", R"({"paths":["model"]})"));
    }
    return ::testing::AssertionSuccess();
  };
  EXPECT_TRUE(in_threads(7, [&](int thread) {
    if (thread < 6) return read_again_and_again(thread);
    auto done = turn_over();
    is_over = true;
    return done;
  }));
  EXPECT_GT(opens.load(), 100);
}

/// A file that the kernel reads by itself can be opened for writing by another node only, which readers are as quick to find.
TEST_F(PassthroughTest, OpensForWritingThatRaceWithReadersAreAllAnswered) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model", 5 * kMiB);
  make_resident(mount, "model", model);
  constexpr int kRounds = 150;
  std::atomic<bool> is_over{false};
  const auto open = [&](int flags) { return UniqueFd(::open(model.path.c_str(), flags | O_CLOEXEC)); };
  const auto read_again_and_again = [&]() -> ::testing::AssertionResult {
    while (!is_over.load()) {
      const UniqueFd fd = open(O_RDONLY);
      if (!fd.is_open()) return ::testing::AssertionFailure() << "open: " << std::strerror(errno);
    }
    return ::testing::AssertionSuccess();
  };
  const auto write_again_and_again = [&]() -> ::testing::AssertionResult {
    for (int round = 0; round < kRounds; ++round) {
      const std::uint64_t before = opens_by_kernel(mount);
      if (!TestMount::wait_for([&] { return opens_by_kernel(mount) > before; })) {
        return ::testing::AssertionFailure() << "never in passthrough: " << mount.stats().text;
      }
      const UniqueFd fd = open(O_RDWR);
      if (!fd.is_open()) return ::testing::AssertionFailure() << "round " << round << ": " << std::strerror(errno);
    }
    return ::testing::AssertionSuccess();
  };
  EXPECT_TRUE(in_threads(5, [&](int thread) {
    if (thread < 4) return read_again_and_again();
    auto done = write_again_and_again();
    is_over = true;
    return done;
  }));
}

/// Files of which nothing is cached, on a local disk.
class PassthroughOriginTest : public PassthroughTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(PassthroughOriginTest, UncachedFileOfALocalSourceIsReadFromTheSourceByTheKernel) {
  const std::string word = GetParam();
  TestMount mount(word == "fast"  ? MountOptions{.flags = {{"--origin-kind", "fast"}}}
                  : word == "off" ? MountOptions{.flags = {{"--cache-mode", "off"}}}
                                  : MountOptions{.flags = {{"--cache-exclude", "*.bin"}}});
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model.bin");
  EXPECT_TRUE(load_in_order(model));
  EXPECT_TRUE(load_mapped(model));
  const Stats stats = mount.stats();
  EXPECT_EQ(stats.opens_passthrough, 2U);
  EXPECT_EQ(stats.origin_read_bytes, 0U) << "the daemon read it";
  EXPECT_EQ(stats.objects, 0U);
  EXPECT_TRUE(mount.store_files().empty());
}

TEST_F(PassthroughTest, UncachedFileShowsChangesAtOnceAsInAPlainFolder) {
  TestMount mount({.flags = {{"--cache-mode", "off"}}});
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  const UniqueFd reader = open_file(model.path);
  EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
  ASSERT_EQ(opens_by_kernel(mount), 1U);
  EXPECT_EQ(::pwrite(open_file(model.path, O_WRONLY).get(), "new", 3, 9 << 20), 3);
  std::string seen(3, '\0');
  EXPECT_EQ(::pread(reader.get(), seen.data(), 3, 9 << 20), 3);
  EXPECT_EQ(seen, "new");
  EXPECT_EQ(content_hash(model.path), content_hash(mount.from("model")));
  put_content(model.path + ".new", "new");
  ASSERT_EQ(::rename((model.path + ".new").c_str(), model.path.c_str()), 0);
  EXPECT_EQ(content_of(model.path), "new");
}

INSTANTIATE_TEST_SUITE_P(Uncached, PassthroughOriginTest, ::testing::Values("fast", "off", "excluded"),
                         [](const auto& one) { return std::string(one.param); });

TEST_F(PassthroughTest, WriterOfALocalSourceWritesItByTheKernel) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  {
    const UniqueFd writer = open_file(model.path, O_WRONLY);
    const UniqueFd beside = open_file(model.path);  // takes the same file
    EXPECT_EQ(::pwrite(writer.get(), "first", 5, 9 << 20), 5);
    std::string seen(5, '\0');
    EXPECT_EQ(::pread(beside.get(), seen.data(), 5, 9 << 20), 5);
    EXPECT_EQ(seen, "first");
    struct stat status{};
    EXPECT_EQ(::pwrite(writer.get(), "end", 3, static_cast<off_t>(model.size)), 3);
    EXPECT_EQ(::stat(model.path.c_str(), &status), 0);
    EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), model.size + 3);
    const UniqueFd both = open_file(model.path, O_RDWR);
    void* const at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, both.get(), 0);
    ASSERT_NE(at, MAP_FAILED) << std::strerror(errno);
    std::memcpy(at, "mapped", 6);
    EXPECT_EQ(::msync(at, 4096, MS_SYNC), 0);
    ::munmap(at, 4096);
  }
  EXPECT_EQ(content_hash(model.path), content_hash(mount.from("model")));
  EXPECT_EQ(content_of(mount.from("model")).substr(0, 6), "mapped");
  EXPECT_EQ(content_of(model.path).substr(model.size), "end");
}

TEST_F(PassthroughTest, CreatedFileIsWrittenByTheKernelAndReadBackWhole) {
  TestMount mount;
  START_OR_SKIP(mount);
  const auto bytes = pattern_bytes(0, 9 * kMiB, Pattern{3});
  {
    const UniqueFd fd(::open(mount.at("new").c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    ASSERT_TRUE(fd.is_open());
    for (std::size_t done = 0; done < bytes.size(); done += kMiB) {
      ASSERT_EQ(::write(fd.get(), bytes.data() + done, kMiB), static_cast<ssize_t>(kMiB));
    }
    ASSERT_EQ(::fsync(fd.get()), 0);
  }
  EXPECT_TRUE(file_is(mount.at("new"), bytes.size(), Pattern{3}));
  EXPECT_TRUE(file_is(mount.from("new"), bytes.size(), Pattern{3}));
  struct stat status{};
  ASSERT_EQ(::stat(mount.at("new").c_str(), &status), 0);
  EXPECT_EQ(static_cast<std::uint64_t>(status.st_size), bytes.size());
}

TEST_F(PassthroughTest, PrefetchToRamBringsResidentFilesIntoMemory) {
  TestMount mount;
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  for (const auto& file : mount.store_files()) drop_pages(file);
  const Finished done = mount.cli({"prefetch", "--ram", "--wait", model.path});
  EXPECT_EQ(done.exit_code, 0) << done.output;
  const auto in_memory = [&] { return mount.cli({"ls"}).output.contains("24.0 MiB  24.0 MiB  24.0 MiB"); };
  EXPECT_TRUE(TestMount::wait_for(in_memory)) << mount.cli({"ls"}).output;
  add_model(mount, "cold");
  const Finished refused = mount.cli({"prefetch", "--ram", "--wait", mount.at("cold")});
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_TRUE(refused.output.contains("not in the store")) << refused.output;
}

class PassthroughStoreTest : public PassthroughTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(PassthroughStoreTest, WorksOnAStoreOnThisFileSystem) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root makes loop devices";
  const LoopDisk disk(GetParam(), 512 * kMiB);
  if (!disk.missing().empty()) GTEST_SKIP() << disk.missing();
  TestMount mount({.flags = {{"--store-keep-free", "16MiB"}}, .capacity = "300MiB", .store = disk.path() + "/store"});
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  const UniqueFd cold = open_file(model.path);
  make_resident(mount, "model", model);
  EXPECT_TRUE(load_in_order(model));
  EXPECT_TRUE(load_mapped(model));
  EXPECT_EQ(opens_by_kernel(mount), 2U);
  ASSERT_NO_FATAL_FAILURE(mount.restart());
  EXPECT_TRUE(load_in_order(model));
  EXPECT_EQ(opens_by_kernel(mount), 1U);
}

INSTANTIATE_TEST_SUITE_P(FileSystems, PassthroughStoreTest, ::testing::Values("ext4", "xfs", "btrfs"),
                         [](const auto& one) { return std::string(one.param); });

TEST_F(PassthroughTest, WorksOnAStoreOnOverlayfs) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root mounts an overlay";
  const TempDir dir;
  for (const char* part : {"lower", "upper", "work", "merged"}) std::filesystem::create_directory(dir.path(part));
  const std::string options =
      base::text("lowerdir=", dir.path("lower"), ",upperdir=", dir.path("upper"), ",workdir=", dir.path("work"));
  const std::string merged = dir.path("merged");
  if (::mount("overlay", merged.c_str(), "overlay", 0, options.c_str()) != 0) {
    GTEST_SKIP() << "no overlay here: " << std::strerror(errno);
  }
  const auto unmount = [](const std::string* path) { ::umount2(path->c_str(), MNT_DETACH); };
  const std::unique_ptr<const std::string, decltype(unmount)> mounted(&merged, unmount);
  TestMount mount({.store = merged + "/store"});
  START_OR_SKIP(mount);
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  EXPECT_TRUE(load_in_order(model));
  EXPECT_EQ(opens_by_kernel(mount), 1U);
}

}  // namespace
}  // namespace arenacache::test
