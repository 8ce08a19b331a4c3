// SPDX-License-Identifier: Apache-2.0
#include "mount/patterns.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::test {
namespace {

constexpr std::size_t kWords = kPage / sizeof(std::uint64_t);
using Page = std::array<std::uint64_t, kWords>;
constexpr std::uint64_t kFactor = 0x2545F4914F6CDD1DULL;
constexpr unsigned kIndexBits = 40;  ///< of a page's first state; the rest is its pattern's

/// What undoes a multiplication by an odd number: each step of Newton's doubles the bits that are right.
constexpr std::uint64_t inverse(std::uint64_t factor) {
  std::uint64_t out = factor;
  for (int bits = 3; bits < 64; bits *= 2) out *= 2 - factor * out;
  return out;
}
static_assert(kFactor * inverse(kFactor) == 1);

/// The first word names version and place, the others follow from it (xorshift64*, Vigna 2016).
void make_page(Page& page, std::uint64_t index, Pattern pattern) {
  std::uint64_t state = ((static_cast<std::uint64_t>(pattern) + 1) << kIndexBits) + index + 1;
  for (auto& word : page) {
    word = state * kFactor;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
  }
}

::testing::AssertionResult failed(const std::string& deed) {
  return ::testing::AssertionFailure() << deed << ": " << std::strerror(errno);
}

}  // namespace

void fill_pattern(std::span<std::byte> out, std::uint64_t offset, Pattern pattern) {
  Page page{};
  while (!out.empty()) {
    const std::uint64_t within = offset % kPage;
    const std::size_t count = std::min<std::size_t>(out.size(), kPage - within);
    make_page(page, offset / kPage, pattern);
    std::memcpy(out.data(), std::as_bytes(std::span(page)).data() + within, count);
    out = out.subspan(count);
    offset += count;
  }
}

std::vector<std::byte> pattern_bytes(std::uint64_t offset, std::size_t length, Pattern pattern) {
  std::vector<std::byte> out(length);
  fill_pattern(out, offset, pattern);
  return out;
}

void make_pattern_file(const std::string& path, std::uint64_t size, Pattern pattern) {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd.is_open()) << path << ": " << std::strerror(errno);
  for (std::uint64_t offset = 0; offset < size; offset += kMiB) {
    const auto bytes = pattern_bytes(offset, std::min(kMiB, size - offset), pattern);
    ASSERT_EQ(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()))
        << path << ": " << std::strerror(errno);
  }
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0);
  set_age(path, 7200);
}

void make_sparse_file(const std::string& path, std::uint64_t size) {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd.is_open()) << path << ": " << std::strerror(errno);
  ASSERT_EQ(::ftruncate(fd.get(), static_cast<off_t>(size)), 0) << std::strerror(errno);
  set_age(path, 7200);
}

void make_entries(const std::string& folder, int count) {
  constexpr int kLinks = 20'000;  // ext4 allows 65,000
  const base::UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::string linked;
  for (int index = 0; index < count; ++index) {
    const std::string name = "model-" + std::to_string(index);
    if (index % kLinks == 0) {
      linked = name;
      ASSERT_EQ(::mknodat(fd.get(), name.c_str(), S_IFREG | 0644, 0), 0) << folder << ": " << std::strerror(errno);
    } else {
      ASSERT_EQ(::linkat(fd.get(), linked.c_str(), fd.get(), name.c_str(), 0), 0)
          << folder << ": " << std::strerror(errno);
    }
  }
}

void set_age(const std::string& path, std::int64_t seconds_ago, std::int64_t nanoseconds) {
  set_time(path, ::time(nullptr) - seconds_ago, nanoseconds);
}

void set_time(const std::string& path, std::int64_t seconds, std::int64_t nanoseconds) {
  const timespec when{.tv_sec = seconds, .tv_nsec = nanoseconds};
  const std::array<timespec, 2> both{when, when};
  ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), both.data(), AT_SYMLINK_NOFOLLOW), 0)
      << path << ": " << std::strerror(errno);
}

::testing::AssertionResult bytes_are(std::span<const std::byte> bytes, std::uint64_t offset, Pattern pattern) {
  const auto wanted = pattern_bytes(offset, bytes.size(), pattern);
  if (std::memcmp(wanted.data(), bytes.data(), bytes.size()) == 0) return ::testing::AssertionSuccess();
  const auto place = std::mismatch(wanted.begin(), wanted.end(), bytes.begin()).first - wanted.begin();
  return ::testing::AssertionFailure() << "not pattern " << static_cast<std::uint64_t>(pattern) << " at byte "
                                       << offset + static_cast<std::uint64_t>(place);
}

std::optional<Pattern> pattern_of(std::span<const std::byte> bytes, std::uint64_t offset) {
  std::uint64_t first = 0;
  if (bytes.size() < sizeof first) return std::nullopt;
  std::memcpy(&first, bytes.data(), sizeof first);
  const std::uint64_t state = first * inverse(kFactor);
  if (state >> kIndexBits == 0) return std::nullopt;
  const Pattern pattern{(state >> kIndexBits) - 1};
  return bytes_are(bytes, offset, pattern) ? std::optional(pattern) : std::nullopt;
}

std::optional<Pattern> pattern_of_page(std::span<const std::byte> page, std::uint64_t offset, unsigned count) {
  const auto pattern = pattern_of(page, offset);
  return pattern && static_cast<std::uint64_t>(*pattern) < count ? pattern : std::nullopt;
}

::testing::AssertionResult range_is(int fd, std::uint64_t offset, std::uint64_t length, Pattern pattern,
                                    std::size_t step) {
  std::vector<std::byte> buffer(step);
  const std::uint64_t end = offset + length;
  while (offset < end) {
    const std::size_t wanted = std::min<std::uint64_t>(step, end - offset);
    const ssize_t got = ::pread(fd, buffer.data(), wanted, static_cast<off_t>(offset));
    if (got < 0) return failed("pread at " + std::to_string(offset));
    if (got == 0) return ::testing::AssertionFailure() << "end of file at " << offset << ", not at " << end;
    const auto verdict = bytes_are(std::span(buffer).first(static_cast<std::size_t>(got)), offset, pattern);
    if (!verdict) return verdict;
    offset += static_cast<std::uint64_t>(got);
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult file_is(const std::string& path, std::uint64_t size, Pattern pattern) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return failed("open " + path);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return failed("fstat " + path);
  if (static_cast<std::uint64_t>(status.st_size) != size) {
    return ::testing::AssertionFailure() << path << " has " << status.st_size << " bytes, not " << size;
  }
  if (auto verdict = range_is(fd.get(), 0, size, pattern); !verdict) return verdict << " of " << path;
  std::byte beyond{};
  if (::pread(fd.get(), &beyond, 1, static_cast<off_t>(size)) != 0) return failed("no end of file in " + path);
  return ::testing::AssertionSuccess();
}

void drop_pages(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0) << path;
}

std::string content_of(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    ADD_FAILURE() << "open " << path << ": " << std::strerror(errno);
    return {};
  }
  std::string out;
  std::vector<char> buffer(kMiB);
  ssize_t got = 0;
  while ((got = ::read(fd.get(), buffer.data(), buffer.size())) > 0)
    out.append(buffer.data(), static_cast<std::size_t>(got));
  EXPECT_EQ(got, 0) << "read " << path << ": " << std::strerror(errno);
  return out;
}

void put_content(const std::string& path, const std::string& content) {
  const base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  ASSERT_TRUE(fd.is_open()) << path << ": " << std::strerror(errno);
  ASSERT_EQ(::write(fd.get(), content.data(), content.size()), static_cast<ssize_t>(content.size())) << path;
}

std::uint64_t content_hash(const std::string& path) { return base::xxh3_64(std::string_view(content_of(path))); }

namespace {

/// What each regular file below `folder` takes: a file that comes or goes meanwhile may be in it or not.
std::map<std::string, std::uint64_t> allocated_by_path(const std::string& folder) {
  constexpr std::uint64_t kStatBlock = 512;
  std::map<std::string, std::uint64_t> files;
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    struct stat status{};
    if (::lstat(at->path().c_str(), &status) == 0 && S_ISREG(status.st_mode)) {
      files[at->path().string()] = static_cast<std::uint64_t>(status.st_blocks) * kStatBlock;
    }
  }
  return files;
}

}  // namespace

std::uint64_t allocated_below(const std::string& folder) {
  // One walk may meet a file, and then another that took its room: what two walks both saw was there at once, between them.
  const auto before = allocated_by_path(folder), after = allocated_by_path(folder);
  std::uint64_t sum = 0;
  for (const auto& [path, bytes] : before) {
    const auto it = after.find(path);
    if (it != after.end()) sum += std::min(bytes, it->second);
  }
  return sum;
}

}  // namespace arenacache::test
