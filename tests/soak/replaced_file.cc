// SPDX-License-Identifier: Apache-2.0
#include "soak/replaced_file.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"
#include "mount/patterns.h"

namespace arenacache::test {

using base::text;

namespace {

constexpr std::int64_t kSecond = 1'700'000'000;  ///< long ago; a thousand versions a second

}  // namespace

ReplacedFile::ReplacedFile(Ground& ground, std::string name, std::uint64_t number, std::uint64_t size)
    : ground_(ground), name_(std::move(name)), number_(number), size_(size) {
  Random random(number);
  begin_version(size);
  make_pattern_file(ground_.mount.from(name_), size_, pattern(0));
  set_time(ground_.mount.from(name_), kSecond, 0);  // as half of the next one, in the same second, would look like it
  end_version();
}

std::uint64_t ReplacedFile::newest() const {
  const base::MutexLock lock(mutex_);
  return versions_.size() - 1;
}

ReplacedFile::Version ReplacedFile::version(std::uint64_t number) const {
  const base::MutexLock lock(mutex_);
  return versions_.at(number);
}

void ReplacedFile::begin_version(std::uint64_t size, bool is_rewrite) {
  const base::MutexLock lock(mutex_);
  versions_.push_back({.size = size, .is_rewrite = is_rewrite});
}

bool ReplacedFile::may_be_plain(const Opened& opened) const {
  if (size_ <= kMostServed || !ground_.plain.any_since(opened.begin)) return false;
  const base::MutexLock lock(mutex_);
  const std::uint64_t next = opened.version.value_or(opened.oldest) + 1;
  return next < versions_.size() && versions_[next].is_rewrite;
}

void ReplacedFile::end_version() {
  const base::MutexLock lock(mutex_);
  versions_.back().done = Clock::now();
}

std::uint64_t ReplacedFile::oldest_for(Time opened_at) const {
  const Time seen = ground_.outages.seen_by(opened_at);
  const base::MutexLock lock(mutex_);
  std::uint64_t oldest = versions_.size() - 1;
  while (oldest > 0 && versions_[oldest].done > seen) --oldest;
  return oldest;
}

bool ReplacedFile::may_be_missing(std::uint64_t oldest) const {
  const base::MutexLock lock(mutex_);
  return std::any_of(versions_.begin() + static_cast<std::ptrdiff_t>(oldest), versions_.end(),
                     [](const Version& one) { return one.size == 0; });
}

Pattern ReplacedFile::pattern(std::uint64_t version) const { return Pattern{number_ * kVersionsOfAFile + version}; }

std::string ReplacedFile::change(Random& random) {
  const std::string path = ground_.mount.from(name_);
  const std::uint64_t number = newest() + 1;
  const bool was_there = version(number - 1).size > 0;
  if (was_there && is_one_in(random, 8)) {
    begin_version(0);
    const int result = ground_.calls.timed("removal behind the mount", [&] { return ::unlink(path.c_str()); });
    end_version();
    return said("unlink behind the mount", result);
  }
  const std::uint64_t size = size_ + (is_one_in(random, 3) ? kMiB + 123 : 0);
  const auto make = [&](const std::string& place) {
    make_pattern_file(place, size, pattern(number));
    set_time(place, kSecond + static_cast<std::int64_t>(number / 1000),
             static_cast<std::int64_t>(number % 1000) * 1'000'000);
    return true;
  };
  if (was_there && is_one_in(random, 3)) {
    const std::unique_lock alone(rewrite_);
    begin_version(size, true);
    ground_.calls.timed("rewrite behind the mount", [&] { return make(path); });
    end_version();
    return {};
  }
  const std::string fresh = ground_.mount.from("." + name_ + ".new");
  make(fresh);
  begin_version(size);
  const int result =
      ground_.calls.timed("replacement behind the mount", [&] { return ::rename(fresh.c_str(), path.c_str()); });
  end_version();
  return said("rename behind the mount", result);
}

BusyPrograms::Round ReplacedFile::changes(std::uint64_t seed) {
  auto random = std::make_shared<Random>(seed);
  auto next = std::make_shared<Time>(Clock::now());
  return [this, random, next](std::uint64_t) {
    constexpr int kStepMs = 20;
    ::poll(nullptr, 0, kStepMs);
    if (Clock::now() < *next) return std::string();
    // Changes that follow on each other at once, and files that stay for a while.
    *next = Clock::now() + std::chrono::milliseconds(is_one_in(*random, 3) ? 50 : 500 + below(*random, 4000));
    return change(*random);
  };
}

BusyPrograms::Round ReplacedFile::reads(std::uint64_t seed) {
  auto random = std::make_shared<Random>(seed);
  auto opened = std::make_shared<std::optional<Opened>>();
  return [this, random, opened](std::uint64_t) {
    const std::shared_lock nobody_writes(rewrite_);
    std::string failure = read_once(*opened, *random);
    return failure.empty() ? failure : text(name_, ": ", failure);
  };
}

std::string ReplacedFile::read_once(std::optional<Opened>& opened, Random& random) {
  if (!opened) return open(opened);
  if (is_one_in(random, 10)) {
    opened.reset();
    return {};
  }
  if (is_one_in(random, 4)) ::posix_fadvise(opened->fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  if (is_one_in(random, 6)) return read_whole(opened);
  const std::uint64_t offset = below(random, size_ / kRead) * kRead;
  return read_at(opened, offset, kRead);
}

std::string ReplacedFile::open(std::optional<Opened>& opened) {
  const Time begin = Clock::now();
  const std::uint64_t oldest = oldest_for(begin);
  base::UniqueFd fd(
      ground_.calls.timed("open", [&] { return ::open(ground_.mount.at(name_).c_str(), O_RDONLY | O_CLOEXEC); }));
  if (fd.is_open()) {
    opened = Opened{.fd = std::move(fd), .begin = begin, .oldest = oldest};
    return {};
  }
  if (errno == ENOENT && may_be_missing(oldest)) return {};
  return ground_.excuses(errno, begin) ? std::string()
                                       : text(said("open", -1), " of versions ", oldest, " to ", newest());
}

std::string ReplacedFile::read_whole(std::optional<Opened>& opened) {
  std::uint64_t offset = 0;
  while (opened) {
    const std::uint64_t end = opened->version ? version(*opened->version).size : kRead;
    if (offset >= end) break;
    const std::size_t length = std::min<std::uint64_t>(kRead, end - offset);
    if (std::string failure = read_at(opened, offset, length); !failure.empty()) return failure;
    offset += length;
  }
  if (!opened) return {};
  std::vector<std::byte> beyond(kPage);
  const ssize_t got = ::pread(opened->fd.get(), beyond.data(), beyond.size(), static_cast<off_t>(offset));
  if (got <= 0 || may_be_plain(*opened)) return {};
  const auto found = pattern_of(std::span(beyond).first(static_cast<std::size_t>(got)), offset);
  return told(*opened,
              text("more than there is, ", got, " bytes of ",
                   found ? text("version ", static_cast<std::uint64_t>(*found) - static_cast<std::uint64_t>(pattern(0)))
                         : text("no version, the first is ", std::to_integer<int>(beyond.front()))),
              offset);
}

std::string ReplacedFile::read_at(std::optional<Opened>& opened, std::uint64_t offset, std::size_t length) {
  const Time begin = Clock::now();
  std::vector<std::byte> buffer(length);
  std::size_t done = 0;
  while (done < length) {
    const auto place = static_cast<off_t>(offset + done);
    const ssize_t got = ground_.calls.timed(
        "read", [&] { return ::pread(opened->fd.get(), buffer.data() + done, length - done, place); });
    if (got < 0 && errno == ESTALE && newest() > opened->oldest) {
      ground_.calls.count("read of a version that is gone");
      opened.reset();
      return {};
    }
    if (got == 0 && (may_end_at(*opened, offset + done) || may_be_plain(*opened))) {
      ground_.calls.count("end of another version");
      opened.reset();
      return {};
    }
    if (got < 0 && ground_.excuses(errno, begin)) return {};
    if (got <= 0) return told(*opened, got < 0 ? said("read", got) : "end of file", offset + done);
    done += static_cast<std::size_t>(got);
  }
  return check(*opened, buffer, offset);
}

/// A file of up to 4 MiB has one node for all its versions, so its end is that of the last one the kernel heard of; and of a larger
/// one that changed just now the kernel may hear after the open. While it was written in place it ended anywhere, and that may be
/// what the daemon saw last.
bool ReplacedFile::may_end_at(const Opened& opened, std::uint64_t offset) const {
  const base::MutexLock lock(mutex_);
  return std::any_of(versions_.begin() + static_cast<std::ptrdiff_t>(opened.oldest), versions_.end(),
                     [&](const Version& one) { return one.size == offset || one.is_rewrite; });
}

std::string ReplacedFile::told(const Opened& opened, const std::string& what, std::uint64_t offset) const {
  struct stat status{};
  ::fstat(opened.fd.get(), &status);
  return text(what, " at ", offset, ", inode ", status.st_ino, ", ", status.st_size, " bytes; ",
              opened.version ? text("version ", *opened.version, " was read before") : "nothing was read before",
              "; opened when ", opened.oldest, " was long there, now it is ", newest());
}

std::string ReplacedFile::check(Opened& opened, std::span<const std::byte> bytes, std::uint64_t offset) const {
  for (std::size_t at = 0; at < bytes.size(); at += kPage) {
    const auto page = bytes.subspan(at, std::min<std::size_t>(kPage, bytes.size() - at));
    const auto found = pattern_of(page, offset + at);
    const std::uint64_t first = static_cast<std::uint64_t>(pattern(0));
    const auto told = found ? static_cast<std::uint64_t>(*found) : 0;
    if (!found || told < first || told > static_cast<std::uint64_t>(pattern(newest()))) {
      return text("no version of it at ", offset + at, found ? text(", but pattern ", told) : "");
    }
    const std::uint64_t seen = told - first;
    if (seen < opened.oldest)
      return text("version ", seen, " at ", offset + at, ", opened when ", opened.oldest, " was long there");
    if (opened.version.value_or(seen) != seen && (seen < *opened.version || !may_be_plain(opened))) {
      return text("version ", seen, " at ", offset + at, " of a file that was opened as ", *opened.version);
    }
    opened.version = seen;
  }
  return {};
}

bool ReplacedFile::is_seen() const {
  const std::string path = ground_.mount.at(name_);
  const Version last = version(newest());
  if (last.size == 0) return ::access(path.c_str(), F_OK) != 0 && errno == ENOENT;
  return static_cast<bool>(file_is(path, last.size, pattern(newest())));
}

}  // namespace arenacache::test
