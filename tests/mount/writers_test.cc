// SPDX-License-Identifier: Apache-2.0
// Writers beside readers of cached files: the origin has every byte before the writer is told so, served readers see it at
// once, and no write ever lands in a store file.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

using base::UniqueFd;

/// Store files held open from before a write, with the hashes they had: unlinked ones are looked at too.
class StoreWitness {
 public:
  explicit StoreWitness(const TestMount& mount) {
    for (const auto& path : mount.store_files()) {
      files_.push_back({UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), content_hash(path)});
    }
  }
  void expect_untouched() const {
    ASSERT_FALSE(files_.empty()) << "nothing was in the store";
    for (const auto& file : files_) {
      EXPECT_EQ(content_hash(base::text("/proc/self/fd/", file.fd.get())), file.hash) << "a store file was written";
    }
  }

 private:
  struct File {
    UniqueFd fd;
    std::uint64_t hash;
  };
  std::vector<File> files_;
};

class WritersTest : public ModelTest {
 protected:
  static UniqueFd open_at(const Model& model, int flags) {
    return UniqueFd(::open(model.path.c_str(), flags | O_CLOEXEC));
  }

  static std::string read_at(int fd, std::uint64_t offset, std::size_t length) {
    std::string out(length, '\0');
    EXPECT_EQ(::pread(fd, out.data(), length, static_cast<off_t>(offset)), static_cast<ssize_t>(length))
        << std::strerror(errno);
    return out;
  }

  static std::string in_source(const TestMount& mount, const std::string& name, std::uint64_t offset,
                               std::size_t length) {
    const UniqueFd fd(::open(mount.from(name).c_str(), O_RDONLY | O_CLOEXEC));
    return read_at(fd.get(), offset, length);
  }
};

/// Readers that the kernel serves keep what they opened (passthrough_test.cc); those that the daemon serves see each change.
const MountOptions kServed{.flags = {{"--fuse-passthrough", "off"}}};

TEST_F(WritersTest, SharedMappingBesideReadersWritesTheOriginAndNeverTheStore) {
  TestMount mount(kServed);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  const StoreWitness witness(mount);
  std::vector<UniqueFd> readers;
  readers.reserve(4);
  for (int reader = 0; reader < 4; ++reader) readers.push_back(open_at(model, O_RDONLY));
  const UniqueFd writer = open_at(model, O_RDWR);
  void* const mapped = ::mmap(nullptr, model.size, PROT_READ | PROT_WRITE, MAP_SHARED, writer.get(), 0);
  ASSERT_NE(mapped, MAP_FAILED) << std::strerror(errno);
  auto* const bytes = static_cast<char*>(mapped);
  for (const std::uint64_t offset : {std::uint64_t{100}, 5 * kMiB - 3, 20 * kMiB + 7, model.size - 10}) {
    std::string_view("mapped").copy(bytes + offset, 6);
    ASSERT_EQ(::msync(bytes, model.size, MS_SYNC), 0) << std::strerror(errno);
    EXPECT_EQ(in_source(mount, "model", offset, 6), "mapped") << "at " << offset;
    for (const auto& reader : readers) EXPECT_EQ(read_at(reader.get(), offset, 6), "mapped") << "at " << offset;
  }
  ::munmap(mapped, model.size);
  witness.expect_untouched();
  EXPECT_EQ(content_hash(mount.at("model")), content_hash(mount.from("model")));
}

TEST_F(WritersTest, EveryWayToChangeAResidentFileReachesItsReaders) {
  TestMount mount(kServed);
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto expect_followed = [&](const char* name, const auto& change) {
    SCOPED_TRACE(name);
    const Model model = add_model(mount, name);
    make_resident(mount, name, model);
    const UniqueFd reader = open_at(model, O_RDONLY);
    EXPECT_TRUE(range_is(reader.get(), 0, model.size, model.pattern));
    change(model);
    EXPECT_EQ(content_hash(mount.at(name)), content_hash(mount.from(name))) << "a new open";
    EXPECT_EQ(content_hash(base::text("/proc/self/fd/", reader.get())), content_hash(mount.from(name)))
        << "the old open";
    struct stat status{}, wanted{};
    EXPECT_EQ(::fstat(reader.get(), &status), 0);
    EXPECT_EQ(::stat(mount.from(name).c_str(), &wanted), 0);
    EXPECT_EQ(status.st_size, wanted.st_size);
  };
  expect_followed("write", [&](const Model& model) {
    const UniqueFd fd = open_at(model, O_WRONLY);
    EXPECT_EQ(::pwrite(fd.get(), "written", 7, 7 << 20), 7);
  });
  expect_followed("append", [&](const Model& model) {
    const UniqueFd fd = open_at(model, O_WRONLY | O_APPEND);
    EXPECT_EQ(::write(fd.get(), "appended", 8), 8);
  });
  expect_followed("truncate", [&](const Model& model) { EXPECT_EQ(::truncate(model.path.c_str(), 3 << 20), 0); });
  expect_followed("grow", [&](const Model& model) { EXPECT_EQ(::truncate(model.path.c_str(), 40 << 20), 0); });
  expect_followed("open-truncate", [&](const Model& model) {
    const UniqueFd fd = open_at(model, O_WRONLY | O_TRUNC);
    EXPECT_EQ(::write(fd.get(), "new", 3), 3);
  });
  expect_followed("punch", [&](const Model& model) {
    const UniqueFd fd = open_at(model, O_RDWR);
    EXPECT_EQ(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 9 << 20, 2 << 20), 0);
  });
  expect_followed("copy", [&](const Model& model) {
    const UniqueFd fd = open_at(model, O_RDWR);
    off64_t from = 0, to = 12 << 20;
    EXPECT_EQ(::copy_file_range(fd.get(), &from, fd.get(), &to, 1 << 20, 0), 1 << 20);
  });
}

TEST_F(WritersTest, OpenForWritingWithoutAWriteKeepsTheObject) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  {
    const UniqueFd fd = open_at(model, O_RDWR);
  }
  // The kernel tells of the close later; until then the file has a writer and its readers go to the origin.
  EXPECT_TRUE(
      TestMount::wait_for([&] { return origin_bytes_of(mount, [&] { EXPECT_TRUE(load_direct(model)); }) == 0U; }));
  EXPECT_EQ(mount.stats().resident, 1U);
}

TEST_F(WritersTest, WriterBesideAFillLeavesNoOldBytes) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model", 48 * kMiB);
  std::atomic<bool> is_over{false};
  std::thread reader([&] {
    std::vector<char> buffer(kMiB);
    while (!is_over) {
      const UniqueFd fd = open_at(model, O_RDONLY);
      while (!is_over && ::read(fd.get(), buffer.data(), buffer.size()) > 0) continue;
    }
  });
  {
    const UniqueFd writer = open_at(model, O_RDWR);
    for (std::uint64_t offset = 0; offset < model.size; offset += kMiB) {
      const auto bytes = pattern_bytes(offset, kMiB, Pattern{9});
      ASSERT_EQ(::pwrite(writer.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
                static_cast<ssize_t>(kMiB));
      EXPECT_TRUE(range_is(writer.get(), offset, kMiB, Pattern{9})) << "what was just written";
    }
  }
  is_over = true;
  reader.join();
  const Model after{.path = model.path, .size = model.size, .pattern = Pattern{9}};
  EXPECT_TRUE(load_in_order(after));
  make_resident(mount, "model", after);
  EXPECT_TRUE(load_direct(after));
  EXPECT_TRUE(file_is(mount.from("model"), after.size, after.pattern));
}

TEST_F(WritersTest, UnlinkedResidentFileIsReadToItsEndAndLeavesTheStore) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  make_resident(mount, "model", model);
  {
    const UniqueFd fd = open_at(model, O_RDONLY);
    ASSERT_EQ(::unlink(model.path.c_str()), 0);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    EXPECT_TRUE(range_is(fd.get(), 0, model.size, model.pattern));
  }
  EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().objects == 0 && mount.store_files().empty(); }))
      << mount.stats().text;
}

TEST_F(WritersTest, UnlinkedColdFileIsReadToItsEnd) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model");
  const UniqueFd fd = open_at(model, O_RDONLY);
  EXPECT_TRUE(range_is(fd.get(), 0, 1000, model.pattern));
  ASSERT_EQ(::unlink(model.path.c_str()), 0);
  EXPECT_TRUE(range_is(fd.get(), 0, model.size, model.pattern));
}

/// As savers do it: a new file is written and takes the name of the old one. Each has another size.
class ReplacedAgainAndAgain : public ModelTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static std::uint64_t size_of(std::uint64_t round) { return kMiB / 4 + round % 7 * 5000; }

  static ::testing::AssertionResult replace(const TestMount& mount, std::uint64_t round) {
    const auto bytes = pattern_bytes(0, size_of(round), Pattern{round});
    {
      const UniqueFd fd(::open(mount.at("new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
      if (::write(fd.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
        return ::testing::AssertionFailure() << "write: " << std::strerror(errno);
      }
    }
    if (::rename(mount.at("new").c_str(), mount.at("model").c_str()) == 0) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "rename: " << std::strerror(errno);
  }

  static ::testing::AssertionResult read(const std::string& path) {
    std::vector<std::byte> buffer(kMiB);
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return ::testing::AssertionFailure() << "open: " << std::strerror(errno);
    ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return ::testing::AssertionFailure() << "fstat: " << std::strerror(errno);
    const ssize_t got = ::pread(fd.get(), buffer.data(), buffer.size(), 0);
    if (got <= 0) return ::testing::AssertionFailure() << "read: " << (got == 0 ? "end" : std::strerror(errno));
    const auto found = pattern_of(std::span(buffer).first(static_cast<std::size_t>(got)), 0);
    if (!found) return ::testing::AssertionFailure() << "bytes of several files";
    const auto round = static_cast<std::uint64_t>(*found);
    if (got == status.st_size && static_cast<std::uint64_t>(got) == size_of(round))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << got << " bytes of file " << round << ", which has " << size_of(round)
                                         << ", by fstat " << status.st_size;
  }

  static ::testing::AssertionResult look(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) == 0) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "stat: " << std::strerror(errno);
  }
};

TEST_P(ReplacedAgainAndAgain, IsThereForWhoeverComes) {
  constexpr std::uint64_t kRounds = 300;
  TestMount mount({.flags = {{"--cache-metadata-ttl", GetParam()}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  ASSERT_TRUE(replace(mount, 0));
  const std::string path = mount.at("model");
  std::atomic<bool> is_over{false};
  EXPECT_TRUE(in_threads(4, [&](int thread) {
    auto done = ::testing::AssertionSuccess();
    if (thread == 3) {
      for (std::uint64_t round = 1; round < kRounds && done; ++round) done = replace(mount, round);
      is_over = true;
      return done;
    }
    while (!is_over && done) done = thread == 2 ? look(path) : read(path);
    return done;
  }));
}

INSTANTIATE_TEST_SUITE_P(Writers, ReplacedAgainAndAgain, ::testing::Values("1s", "0s"));

TEST_F(WritersTest, FillOnWriteCopiesWhatAProgramWrote) {
  TestMount mount({.flags = {{"--fill-on-write", "on"}}});
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const auto bytes = pattern_bytes(0, 8 * kMiB, Pattern{4});
  {
    const UniqueFd fd(::open(mount.at("new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    ASSERT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  mount.wait_resident("new");
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(file_is(mount.at("new"), bytes.size(), Pattern{4})); }), 0U);
}

}  // namespace
}  // namespace arenacache::test
