// SPDX-License-Identifier: Apache-2.0
#include "soak/written_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"
#include "mount/patterns.h"

namespace arenacache::test {

using base::text;
using base::UniqueFd;

namespace {

constexpr std::uint64_t kBlock = 256 << 10;

/// Until the end of `out` or of the file. A call that came to an error on its way says how far it came; the next one says why.
ssize_t read_all(int fd, std::span<std::byte> out, std::uint64_t offset) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0) return got;
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

}  // namespace

WrittenFile::WrittenFile(Ground& ground, std::string name, std::uint64_t number, std::uint64_t size)
    : ground_(ground),
      name_(std::move(name)),
      number_(number),
      size_(size),
      begun_((size + kBlock - 1) / kBlock),
      finished_(begun_.size()) {
  make_pattern_file(ground_.mount.from(name_), size_, pattern(0));
}

Pattern WrittenFile::pattern(Number version) const { return Pattern{number_ * kVersionsOfAFile + version}; }

std::uint64_t WrittenFile::length_of(std::size_t block) const { return std::min(kBlock, size_ - block * kBlock); }

void WrittenFile::begin_all(Number number) {
  for (auto& block : begun_) block = number;
}

void WrittenFile::end_all(Number number) {
  for (auto& block : finished_) block = number;
}

WrittenFile::Versions WrittenFile::finished() const { return {finished_.begin(), finished_.end()}; }

BusyPrograms::Round WrittenFile::writes(std::uint64_t seed) {
  auto random = std::make_shared<Random>(seed);
  return [this, random](std::uint64_t) {
    const std::string failure = write_once(*random);
    return failure.empty() ? failure : text("writing version ", newest_, " of ", name_, ": ", failure);
  };
}

std::string WrittenFile::write_once(Random& random) {
  ++newest_;
  switch (below(random, 6)) {
    case 0:
      return write_blocks(O_WRONLY, false, random);
    case 1:
      return write_blocks(O_RDWR | O_TRUNC, true, random);
    case 2:
      return write_mapped(random);
    case 3:
      return replace();
    default:
      return write_blocks(O_RDWR, false, random);
  }
}

std::string WrittenFile::write_block(int fd, std::size_t block, Number number) {
  const auto bytes = pattern_bytes(block * kBlock, length_of(block), pattern(number));
  begun_[block] = number;
  const ssize_t written = ground_.calls.timed(
      "write", [&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(block * kBlock)); });
  if (written != static_cast<ssize_t>(bytes.size())) return written < 0 ? said("write", -1) : text("wrote ", written);
  finished_[block] = number;
  return {};
}

std::string WrittenFile::write_blocks(int flags, bool all, Random& random) {
  const Number number = newest_;
  const Time begin = Clock::now();
  const bool is_emptied = (flags & O_TRUNC) != 0;
  if (is_emptied) begin_all(number);
  if (is_emptied) emptying_.fetch_add(1);
  UniqueFd fd;
  do {  // one that was refused in an outage has done nothing
    fd = UniqueFd(ground_.calls.timed("open for writing",
                                      [&] { return ::open(ground_.mount.at(name_).c_str(), flags | O_CLOEXEC); }));
    if (!fd.is_open() && !ground_.excuses(errno, begin)) return said("open for writing", -1);
  } while (!fd.is_open());
  for (std::size_t block = 0; block < begun_.size(); ++block) {
    if (!all && !is_one_in(random, 3)) continue;
    if (std::string failure = write_block(fd.get(), block, number); !failure.empty()) return failure;
  }
  if (is_emptied) emptied_.fetch_add(1);
  if (is_one_in(random, 8) && ::fsync(fd.get()) != 0) return said("fsync", -1);
  return {};
}

std::string WrittenFile::write_mapped(Random& random) {
  const Time begin = Clock::now();
  const UniqueFd fd(::open(ground_.mount.at(name_).c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.is_open()) return ground_.excuses(errno, begin) ? std::string() : said("open to map", -1);
  void* const place = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (place == MAP_FAILED && errno == ENODEV) {  // opened past the pages of readers of an older version
    ground_.calls.count("mapping that was refused");
    return {};
  }
  if (place == MAP_FAILED) return said("mmap", -1);
  const std::span<std::byte> bytes(static_cast<std::byte*>(place), size_);
  const std::size_t block = below(random, begun_.size());
  begun_[block] = newest_;
  fill_pattern(bytes.subspan(block * kBlock, length_of(block)), block * kBlock, pattern(newest_));
  const int result = ground_.calls.timed("msync", [&] { return ::msync(place, size_, MS_SYNC); });
  if (result == 0) finished_[block] = newest_;
  const std::string failure = said("msync", result);
  ::munmap(place, size_);
  return failure;
}

std::string WrittenFile::replace() {
  const std::string fresh = ground_.mount.at("." + name_ + ".new");
  const std::string path = ground_.mount.at(name_);
  {
    const Time begin = Clock::now();
    const UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!fd.is_open()) return ground_.excuses(errno, begin) ? std::string() : said("create", -1);
    const auto bytes = pattern_bytes(0, size_, pattern(newest_));
    const ssize_t written = ::pwrite(fd.get(), bytes.data(), bytes.size(), 0);
    if (written != static_cast<ssize_t>(size_)) return written < 0 ? said("write", -1) : text("wrote ", written);
  }
  {
    const base::MutexLock lock(mutex_);
    last_before_.push_back(finished());
  }
  replacing_.fetch_add(1);
  begin_all(newest_);
  const Time begin = Clock::now();
  while (ground_.calls.timed("replacement", [&] { return ::rename(fresh.c_str(), path.c_str()); }) != 0) {
    if (!ground_.excuses(errno, begin)) return said("rename", -1);
  }
  end_all(newest_);
  replaced_.fetch_add(1);
  return {};
}

BusyPrograms::Round WrittenFile::reads(std::uint64_t seed) {
  auto random = std::make_shared<Random>(seed);
  auto opened = std::make_shared<std::optional<Opened>>();
  return [this, random, opened](std::uint64_t) {
    const std::string failure = read_once(*opened, *random);
    return failure.empty() ? failure : text("reading ", name_, ": ", failure);
  };
}

std::string WrittenFile::read_once(std::optional<Opened>& opened, Random& random) {
  if (!opened) return open(opened);
  if (is_one_in(random, 12)) {
    opened.reset();
    return {};
  }
  if (is_one_in(random, 4)) ::posix_fadvise(opened->fd.get(), 0, 0, POSIX_FADV_DONTNEED);
  if (!is_one_in(random, 6)) return read_block(*opened, below(random, begun_.size()));
  for (std::size_t block = 0; block < begun_.size(); ++block) {
    if (std::string failure = read_block(*opened, block); !failure.empty()) return failure;
  }
  return {};
}

std::string WrittenFile::open(std::optional<Opened>& opened) {
  const Time begin = Clock::now();
  Opened fresh{.fd = {}, .replacements = replaced_, .at_open = {}, .seen = {}};
  for (const Number number : finished()) fresh.at_open.push_back({.oldest = number});
  fresh.fd = UniqueFd(
      ground_.calls.timed("open", [&] { return ::open(ground_.mount.at(name_).c_str(), O_RDONLY | O_CLOEXEC); }));
  if (!fresh.fd.is_open()) return ground_.excuses(errno, begin) ? std::string() : said("open", -1);
  for (std::size_t block = 0; block < begun_.size(); ++block) fresh.at_open[block].newest = begun_[block];
  fresh.is_replaced = replacing_ > fresh.replacements;
  fresh.seen.resize(begun_.size());
  opened = std::move(fresh);
  return {};
}

std::string WrittenFile::read_block(Opened& opened, std::size_t block) {
  const Time begin = Clock::now();
  std::vector<std::byte> buffer(length_of(block));
  Range during{.oldest = finished_[block]};
  const std::size_t emptied = emptied_;
  const ssize_t got = ground_.calls.timed("read", [&] { return read_all(opened.fd.get(), buffer, block * kBlock); });
  if (got < 0 && ground_.excuses(errno, begin)) return {};
  if (got < 0 && errno == ESTALE && opened.is_replaced) {
    ground_.calls.count("read of a file that was replaced during its open");
    return {};
  }
  if (got < 0)
    return text(said("read", -1), " at block ", block, ", of ", opened.at_open[block].oldest, " at the open, now ",
                during.oldest);
  during.newest = begun_[block];
  const bool is_short = got < static_cast<ssize_t>(buffer.size());
  // The end that an open of before finds, while the file is emptied and written anew, may be one of before.
  const bool is_emptied = emptying_ > emptied;
  if (is_short && !is_emptied && during.oldest == during.newest) return text("read ", got, " bytes of block ", block);
  for (std::size_t at = 0; at < static_cast<std::size_t>(got); at += kPage) {
    const auto page = std::span(buffer).subspan(at, std::min<std::size_t>(kPage, static_cast<std::size_t>(got) - at));
    const std::string failure = check_page(opened, block, page, block * kBlock + at, during);
    if (!failure.empty()) return failure + read_again(opened.fd.get(), block * kBlock + at);
  }
  return {};
}

WrittenFile::Range WrittenFile::allowed(const Opened& opened, std::size_t block, Range during) const {
  const base::MutexLock lock(mutex_);
  if (opened.replacements < last_before_.size()) {
    during.oldest = std::min(during.oldest, last_before_[opened.replacements][block]);
  }
  return during;
}

std::string WrittenFile::check_page(Opened& opened, std::size_t block, std::span<const std::byte> page,
                                    std::uint64_t offset, Range during) const {
  const Range range = allowed(opened, block, during);
  const auto found = pattern_of(page, offset);
  const std::uint64_t told = found ? static_cast<std::uint64_t>(*found) - number_ * kVersionsOfAFile : kVersionsOfAFile;
  if (told > range.newest) {
    if (during.oldest != during.newest && is_torn(page, offset, range)) return {};
    return text(
        "at ", offset, " no version from ", range.oldest, " to ", range.newest,
        found ? text(", but pattern ", static_cast<std::uint64_t>(*found)) : content_of(page, offset, range.newest));
  }
  const auto version = static_cast<Number>(told);
  const Range known = opened.seen[block].value_or(Range{version, version});
  opened.seen[block] = Range{std::min(known.oldest, version), std::max(known.newest, version)};
  if (version < range.oldest) opened.is_kept = true;
  if (!opened.is_kept) return {};
  if (size_ <= kMostServed) return text("version ", version, " at ", offset, ", after ", range.oldest, " was written");
  for (std::size_t other = 0; other < opened.seen.size(); ++other) {
    const auto& seen = opened.seen[other];
    const Range first = opened.at_open[other];
    if (seen && (seen->oldest != seen->newest || seen->oldest < first.oldest || seen->newest > first.newest)) {
      return text("version ", version, " at ", offset, ", after ", range.oldest, " was written; block ", other,
                  " had versions ", seen->oldest, " to ", seen->newest, ", at the open ", first.oldest, " to ",
                  first.newest);
    }
  }
  return {};
}

/// The version of a page that was wrong: from the kernel's memory, from the daemon, and to who opens now.
std::string WrittenFile::read_again(int fd, std::uint64_t offset) const {
  const auto version_in = [&](int file) {
    std::vector<std::byte> page(kPage);
    const ssize_t got = ::pread(file, page.data(), page.size(), static_cast<off_t>(offset));
    const auto found = got == static_cast<ssize_t>(page.size()) ? pattern_of(page, offset) : std::nullopt;
    return found ? text(static_cast<std::uint64_t>(*found) - number_ * kVersionsOfAFile) : text("of ", got, " bytes");
  };
  const std::string again = version_in(fd);
  ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(kPage), POSIX_FADV_DONTNEED);
  const std::string dropped = version_in(fd);
  const UniqueFd fresh(::open(ground_.mount.at(name_).c_str(), O_RDONLY | O_CLOEXEC));
  return text("; read again: ", again, ", without the kernel's pages: ", dropped,
              ", opened anew: ", version_in(fresh.get()), ", the newest: ", Number{begun_[offset / kBlock]});
}

/// What a page has that is of no version.
std::string WrittenFile::content_of(std::span<const std::byte> page, std::uint64_t offset, Number newest) const {
  std::string out = text(": ", std::ranges::count(page, std::byte{0}), " of ", page.size(), " bytes are zero");
  for (Number number = newest; number + 10 > newest && number > 0; --number) {
    const auto wanted = pattern_bytes(offset, page.size(), pattern(number));
    std::size_t same = 0;
    for (std::size_t at = 0; at < page.size(); ++at) same += page[at] == wanted[at] ? 1U : 0U;
    out += text(", ", same, " of version ", number);
  }
  return out;
}

/// Whether each byte is of a version of `range`, or not written yet.
bool WrittenFile::is_torn(std::span<const std::byte> page, std::uint64_t offset, Range range) const {
  std::vector<bool> known(page.size());
  for (std::size_t at = 0; at < page.size(); ++at) known[at] = page[at] == std::byte{0};
  for (Number number = range.oldest; number <= range.newest; ++number) {
    const auto wanted = pattern_bytes(offset, page.size(), pattern(number));
    for (std::size_t at = 0; at < page.size(); ++at) known[at] = known[at] || page[at] == wanted[at];
  }
  return std::ranges::all_of(known, [](bool is_known) { return is_known; });
}

bool WrittenFile::is_seen() const {
  for (const std::string& path : {ground_.mount.at(name_), ground_.mount.from(name_)}) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.is_open()) return false;
    for (std::size_t block = 0; block < finished_.size(); ++block) {
      if (!range_is(fd.get(), block * kBlock, length_of(block), pattern(finished_[block]))) return false;
    }
  }
  return true;
}

}  // namespace arenacache::test
