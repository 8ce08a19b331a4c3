// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/page_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>

#include "arenacache/base/buffer.h"
#include "arenacache/base/memory_limit.h"
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
constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ, Linux 5.14
constexpr std::uint64_t kHugePage = std::uint64_t{2} << 20U;

/// Has the kernel read the huge page at `offset`, and with `two` the one behind it, which it does not wait for.
/// A fault in a mapping that wants huge pages reads a whole one at once whatever the device's readahead is, and the page stays
/// one: walking it later costs a fraction of what it costs in small pages. readahead(2) would leave single pages.
/// False: this kernel, or this file, does not do it.
bool read_huge(int fd, std::uint64_t offset, bool two) {
  const std::size_t length = two ? 2 * kHugePage : kHugePage;
  void* const at = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) return false;
  bool is_done = ::madvise(at, length, MADV_HUGEPAGE) == 0;
  // "Random": nothing beyond the huge page that was touched.
  if (is_done && !two) is_done = ::madvise(at, length, MADV_RANDOM) == 0;
  // A file that ends earlier by now, or a disk that fails, is an errno here; a touch would be a signal.
  if (is_done) is_done = ::madvise(at, static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), kPopulateRead) == 0;
  ::munmap(at, length);
  return is_done;
}

/// By a read as large as a huge page, which gets the largest pages that the kernel has for reads.
bool read_plainly(int fd, Extent extent) {
  thread_local Buffer buffer(kHugePage);
  // What cannot be read ahead, its reader meets in its own time.
  return ::pread(fd, buffer.span().data(), extent.length, static_cast<off_t>(extent.offset)) > 0;
}

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
  for (std::uint64_t at = extent.offset; at < extent.end();) {
    const std::uint64_t next = std::min((at / kHugePage + 1) * kHugePage, extent.end());
    const Extent piece{.offset = at, .length = next - at};
    at = next;
    const auto cached = cached_bytes(fd, piece);
    if (cached && *cached >= piece.length) continue;
    const bool is_whole = piece.length == kHugePage;
    const bool has_next = next + kHugePage <= extent.end();
    if (is_whole && cached && *cached == 0 && read_huge(fd, piece.offset, has_next)) continue;
    if (!read_plainly(fd, piece)) return;
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
  return std::min(kilobytes * 1024, memory_limit().left_bytes);
}

std::uint64_t memory_bytes() {
  const auto machine =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return std::min(machine, memory_limit().most_bytes);
}

}  // namespace arenacache::base
