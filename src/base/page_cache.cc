// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/page_cache.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "arenacache/base/buffer.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::base {

namespace {

// linux/mman.h of Linux 6.5; Debian 12's own headers are older.
struct CachestatRange {
  std::uint64_t offset, length;
};
struct Cachestat {
  std::uint64_t cached, dirty, writeback, evicted, recently_evicted;
};
constexpr long kCachestatCall = 451;

}  // namespace

Result<std::uint64_t> KernelPageCache::cached_bytes(int fd, Extent extent) {
  CachestatRange range{.offset = extent.offset, .length = extent.length};
  Cachestat found{};
  if (::syscall(kCachestatCall, fd, &range, &found, 0) != 0) {
    return fail_errno(ErrorKind::store, errno, "cannot see what is in the page cache");
  }
  return found.cached * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void KernelPageCache::read_ahead(int fd, Extent extent) {
  // Not readahead(2): what it brings in lies in single pages, and a file mapped from those is two to four times slower to walk,
  // for as long as it stays in memory. A read as large as this one gets large folios.
  constexpr std::size_t kPiece = std::size_t{2} << 20U;
  thread_local Buffer buffer(kPiece);
  for (std::uint64_t done = 0; done < extent.length; done += kPiece) {
    const std::size_t length = std::min<std::uint64_t>(kPiece, extent.length - done);
    // What cannot be read ahead, its reader meets in its own time.
    if (::pread(fd, buffer.span().data(), length, static_cast<off_t>(extent.offset + done)) <= 0) return;
  }
}

std::uint64_t KernelPageCache::available_bytes() {
  const UniqueFd fd(::open("/proc/meminfo", O_RDONLY | O_CLOEXEC));
  std::array<char, 512> text{};
  const ssize_t got = fd.is_open() ? ::read(fd.get(), text.data(), text.size()) : -1;
  if (got <= 0) return 0;
  constexpr std::string_view kLabel = "MemAvailable:";
  std::string_view rest(text.data(), static_cast<std::size_t>(got));
  const auto at = rest.find(kLabel);
  if (at == std::string_view::npos) return 0;
  rest.remove_prefix(at + kLabel.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  std::uint64_t kilobytes = 0;
  std::from_chars(rest.data(), rest.data() + rest.size(), kilobytes);
  return kilobytes * 1024;
}

std::uint64_t memory_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace arenacache::base
