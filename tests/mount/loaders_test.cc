// SPDX-License-Identifier: Apache-2.0
// The ways programs read models (and downloaders write them), each replayed on a cold file: right bytes, the origin asked
// once, and the next open a hit.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/unique_fd.h"
#include "mount/model_folder.h"

namespace arenacache::test {
namespace {

constexpr std::uint64_t kLoaded = 48 * kMiB + 4321;

class LoadersTest : public ModelTest {
 protected:
  using Load = std::function<::testing::AssertionResult(const Model&)>;

  /// Loads a cold model: once from the origin, then resident, then for nothing. `slack`: what the origin may give twice.
  static void expect_loaded_once(const Load& load, double most = 1.02) {
    TestMount mount;
    ASSERT_NO_FATAL_FAILURE(mount.start());
    const Model model = add_model(mount, "model", kLoaded);
    const std::uint64_t first = origin_bytes_of(mount, [&] {
      ASSERT_TRUE(load(model));
      mount.wait_resident("model");
    });
    EXPECT_LE(static_cast<double>(first), most * static_cast<double>(model.size));
    EXPECT_EQ(origin_bytes_of(mount, [&] { ASSERT_TRUE(load(model)); }), 0U) << "the second load";
    EXPECT_EQ(mount.stats().checksum_errors, 0U);
  }

  static base::UniqueFd open_model(const Model& model) {
    return base::UniqueFd(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  }
};

TEST_F(LoadersTest, EightThreadsOf2MiBReadsWithAdvice) {
  std::vector<base::UniqueFd> kept_open;
  expect_loaded_once([&](const Model& model) {
    kept_open.push_back(open_model(model));
    return load_like_comfyui(kept_open.back().get(), model);
  });
}

TEST_F(LoadersTest, WeightsReadAgainAtEverySamplingStep) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model = add_model(mount, "model", kLoaded);
  const base::UniqueFd fd = open_model(model);
  const std::uint64_t from_origin = origin_bytes_of(mount, [&] {
    for (int step = 0; step < 4; ++step) ASSERT_TRUE(load_like_comfyui(fd.get(), model));
  });
  EXPECT_LE(static_cast<double>(from_origin), 1.02 * static_cast<double>(model.size));
}

TEST_F(LoadersTest, SeveralReadersOfOneDescriptor) {
  expect_loaded_once([](const Model& model) {
    const base::UniqueFd fd = open_model(model);
    return load_like_ollama(fd.get(), model);
  });
}

TEST_F(LoadersTest, ZipIsReadFromItsTail) { expect_loaded_once(load_like_torch); }

TEST_F(LoadersTest, EightReadersOfSlices) { expect_loaded_once(load_slices); }

TEST_F(LoadersTest, DirectReads) { expect_loaded_once(load_direct); }

TEST_F(LoadersTest, MappingTouchedInShuffledOrder) { expect_loaded_once(load_mapped); }

TEST_F(LoadersTest, PlainReads) { expect_loaded_once(load_in_order); }

class DownloadsTest : public ModelTest {
 protected:
  static void write_range(int fd, std::uint64_t offset, std::uint64_t length, Pattern pattern) {
    const auto bytes = pattern_bytes(offset, length, pattern);
    ASSERT_EQ(::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)), static_cast<ssize_t>(bytes.size()));
  }

  /// After a download: the source has it, it loads, becomes resident, and then costs nothing. `open_files`: how many stay open.
  static void expect_usable(const TestMount& mount, const std::string& name, const Model& model,
                            std::uint64_t open_files = 0) {
    EXPECT_TRUE(file_is(mount.from(name), model.size, model.pattern)) << "in the source";
    // The kernel tells of the writer's end when it likes, and what a file with a writer is read from is not kept.
    EXPECT_TRUE(TestMount::wait_for([&] { return mount.stats().open_files == open_files; }));
    make_resident(mount, name, model);
    EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(load_direct(model)); }), 0U);
  }
};

TEST_F(DownloadsTest, IncompleteIsAppendedRenamedAndRead) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model{.path = mount.at("x"), .size = kModelSize, .pattern = Pattern{3}};
  base::UniqueFd fd(::open(mount.at("x.incomplete").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  for (std::uint64_t done = 0; done < model.size; done += kMiB) {
    const auto bytes = pattern_bytes(done, std::min(kMiB, model.size - done), model.pattern);
    ASSERT_EQ(::write(fd.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  ASSERT_EQ(::fsync(fd.get()), 0);
  fd.reset();
  ASSERT_EQ(::rename(mount.at("x.incomplete").c_str(), model.path.c_str()), 0);
  expect_usable(mount, "x", model);
}

TEST_F(DownloadsTest, IncompleteIsHashedThenRenamedAndItsBytesStay) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model incomplete = add_model(mount, "x.incomplete");
  make_resident(mount, "x.incomplete", incomplete);
  ASSERT_EQ(::rename(incomplete.path.c_str(), mount.at("x").c_str()), 0);
  EXPECT_EQ(origin_bytes_of(mount, [&] { EXPECT_TRUE(file_is(mount.at("x"), incomplete.size, incomplete.pattern)); }),
            0U);
}

TEST_F(DownloadsTest, PreallocatedIsWrittenOutOfOrderWhileRead) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model model{.path = mount.at("x"), .size = kModelSize, .pattern = Pattern{4}};
  base::UniqueFd fd(::open(model.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(::posix_fallocate(fd.get(), 0, static_cast<off_t>(model.size)), 0);
  const base::UniqueFd reading(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
  constexpr std::uint64_t kParts = 5;
  const std::uint64_t part = model.size / kParts + 1;
  for (const std::uint64_t which : {3U, 0U, 4U, 1U, 2U}) {
    const std::uint64_t offset = which * part;
    write_range(fd.get(), offset, std::min(part, model.size - offset), model.pattern);
    EXPECT_TRUE(range_is(reading.get(), offset, std::min(part, model.size - offset), model.pattern))
        << "what was just written";
    std::byte sink{};
    ASSERT_EQ(::pread(reading.get(), &sink, 1, 0), 1);
  }
  fd.reset();
  expect_usable(mount, "x", model, 1);
}

TEST_F(DownloadsTest, CopiedOverAResidentModelReplacesIt) {
  TestMount mount;
  ASSERT_NO_FATAL_FAILURE(mount.start());
  const Model before = add_model(mount, "x");
  make_resident(mount, "x", before);
  const Model after{.path = before.path, .size = before.size, .pattern = Pattern{5}};
  base::UniqueFd fd(::open(after.path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  for (std::uint64_t done = 0; done < after.size; done += kMiB) {
    write_range(fd.get(), done, std::min(kMiB, after.size - done), after.pattern);
  }
  fd.reset();
  EXPECT_TRUE(load_in_order(after));
  expect_usable(mount, "x", after);
}

}  // namespace
}  // namespace arenacache::test
