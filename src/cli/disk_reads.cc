// SPDX-License-Identifier: Apache-2.0
#include "disk_reads.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "arenacache/base/clock.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/base/units.h"
#include "proc_files.h"

namespace arenacache::cli {

using base::kMiB;
using base::UniqueFd;
using std::chrono::nanoseconds;

namespace {

constexpr int kMaxDepth = 4;
constexpr std::size_t kMaxLinks = 256;
constexpr std::uint64_t kPageBytes = 4096;
constexpr unsigned kPages = 16;
constexpr std::uint64_t kMaxReadBytes = 128 * kMiB;
constexpr std::uint64_t kOwnFileBytes = 32 * kMiB;

base::TimePoint now() { return base::SystemClock().now(); }

struct Freer {
  void operator()(void* memory) const { std::free(memory); }  // NOLINT(cppcoreguidelines-no-malloc)
};
using AlignedBytes = std::unique_ptr<void, Freer>;

AlignedBytes make_buffer() { return AlignedBytes(std::aligned_alloc(kPageBytes, kMiB)); }

bool is_model_size(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_size >= static_cast<off_t>(kMiB);
}

class Walk {
 public:
  explicit Walk(nanoseconds patience) : end_(now() + patience) {}

  void enter(const std::string& folder, const std::string& inside, int depth) {
    for (const std::string& name : names_in(folder)) {
      if (now() > end_) return;
      const std::string path = base::text(folder, '/', name);
      struct stat status{};
      if (::lstat(path.c_str(), &status) != 0) continue;
      if (S_ISLNK(status.st_mode) && found_.links.size() < kMaxLinks) {
        found_.links.push_back({.path = base::text(inside, name), .target = link_at(path)});
      } else if (is_model_size(status) && static_cast<std::uint64_t>(status.st_size) > found_.largest_bytes) {
        found_.largest_file = path;
        found_.largest_bytes = static_cast<std::uint64_t>(status.st_size);
      } else if (S_ISDIR(status.st_mode) && depth < kMaxDepth) {
        enter(path, base::text(inside, name, '/'), depth + 1);
      }
    }
  }
  [[nodiscard]] SourceSurvey take() { return std::move(found_); }

 private:
  const base::TimePoint end_;
  SourceSurvey found_;
};

std::optional<ReadSpeed> measure(int fd, std::uint64_t size_bytes, nanoseconds patience) {
  const AlignedBytes buffer = make_buffer();
  const base::TimePoint begin = now();
  const base::TimePoint end = begin + patience / 2;
  std::uint64_t read_bytes = 0;
  const std::uint64_t most = std::min(size_bytes / kMiB * kMiB, kMaxReadBytes);
  while (read_bytes < most && now() < end) {
    const ssize_t got = ::pread(fd, buffer.get(), kMiB, static_cast<off_t>(read_bytes));
    if (got <= 0) return std::nullopt;
    read_bytes += static_cast<std::uint64_t>(got);
  }
  if (read_bytes == 0) return std::nullopt;
  const std::chrono::duration<double> in_order = now() - begin;
  const base::TimePoint pages_begin = now();
  const base::TimePoint pages_end = pages_begin + patience / 2;
  unsigned pages = 0;
  while (pages < kPages && (pages == 0 || now() < pages_end)) {
    // From the end backwards, so that no readahead helps.
    const std::uint64_t at = size_bytes / (kPages + 1) * (kPages - pages) / kPageBytes * kPageBytes;
    if (::pread(fd, buffer.get(), kPageBytes, static_cast<off_t>(at)) <= 0) return std::nullopt;
    ++pages;
  }
  return ReadSpeed{.bytes_per_second = static_cast<double>(read_bytes) / std::max(in_order.count(), 1e-9),
                   .page_latency = (now() - pages_begin) / pages};
}

/// For reading past the page cache, or, where that is refused, with what is cached of it dropped.
UniqueFd open_uncached(const std::string& path) {
  UniqueFd direct(::open(path.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  if (direct.is_open()) return direct;
  UniqueFd plain(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (plain.is_open()) ::posix_fadvise(plain.get(), 0, 0, POSIX_FADV_DONTNEED);
  return plain;
}

}  // namespace

SourceSurvey survey_source(const std::string& folder, nanoseconds patience) {
  Walk walk(patience);
  walk.enter(folder, "", 0);
  return walk.take();
}

std::optional<ReadSpeed> measure_file(const std::string& path, std::uint64_t size_bytes, nanoseconds patience) {
  const UniqueFd fd = open_uncached(path);
  if (!fd.is_open()) return std::nullopt;
  return measure(fd.get(), size_bytes, patience);
}

std::optional<ReadSpeed> measure_folder(const std::string& folder, nanoseconds patience) {
  const UniqueFd fd(::open(folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd.is_open()) return std::nullopt;
  const AlignedBytes buffer = make_buffer();
  std::fill_n(static_cast<unsigned char*>(buffer.get()), kMiB, static_cast<unsigned char>(0x5a));
  for (std::uint64_t at = 0; at < kOwnFileBytes; at += kMiB) {
    if (::pwrite(fd.get(), buffer.get(), kMiB, static_cast<off_t>(at)) != static_cast<ssize_t>(kMiB))
      return std::nullopt;
  }
  if (::fdatasync(fd.get()) != 0) return std::nullopt;
  ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  const int flags = ::fcntl(fd.get(), F_GETFL);
  if (flags >= 0)
    static_cast<void>(::fcntl(fd.get(), F_SETFL, flags | O_DIRECT));  // refused: the cache is dropped anyway
  return measure(fd.get(), kOwnFileBytes, patience);
}

}  // namespace arenacache::cli
