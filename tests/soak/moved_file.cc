// SPDX-License-Identifier: Apache-2.0
#include "soak/moved_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is glibc's
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "mount/patterns.h"

namespace arenacache::test {

using base::text;
using base::UniqueFd;

namespace {

constexpr std::size_t kNamesInAFolder = 3;

}  // namespace

MovedFile::MovedFile(Ground& ground, const std::string& name, std::uint64_t number, std::uint64_t size)
    : ground_(ground), size_(size), pattern_{number * kVersionsOfAFile} {
  for (const char* which : {"-here", "-there"}) {
    AC_CHECK(::mkdir(ground.mount.from(name + which).c_str(), 0755) == 0);
    folders_.push_back(ground.mount.at(name + which));
  }
  for (std::size_t at = 0; at < kNamesInAFolder; ++at) {
    for (const std::string& folder : folders_) names_.push_back(text(folder, "/name-", at));
  }
  make_pattern_file(ground.mount.from(name + "-here/name-0"), size_, pattern_);
}

BusyPrograms::Round MovedFile::moves(std::uint64_t seed) {
  auto random = std::make_shared<Random>(seed);
  return [this, random](std::uint64_t) { return move_once(*random); };
}

std::string MovedFile::move_once(Random& random) {
  const std::uint64_t move = done_ + 1;
  const unsigned flags = is_one_in(random, 3) ? RENAME_NOREPLACE : 0;
  const Time begin = Clock::now();
  begun_ = move;
  const auto rename = [&] {
    return ::renameat2(AT_FDCWD, name_of(move - 1).c_str(), AT_FDCWD, name_of(move).c_str(), flags);
  };
  while (ground_.calls.timed("move", rename) != 0) {  // one that was refused in an outage has done nothing
    const int error = errno;
    if (!ground_.excuses(error, begin)) return told_of(move, begin, error);
  }
  done_ = move;
  return {};
}

/// What is known where a move failed: how long it took, and where the file is.
std::string MovedFile::told_of(std::uint64_t move, Time begin, int error) const {
  const auto has = [](const std::string& path) {
    struct stat status{};
    return ::stat(path.c_str(), &status) == 0 ? text("inode ", status.st_ino, " ") : std::string("none ");
  };
  const std::string mountpoint = ground_.mount.at("");
  const auto in_source = [&](const std::string& path) { return ground_.mount.from(path.substr(mountpoint.size())); };
  std::string where;
  for (const std::string& name : {name_of(move - 1), name_of(move)}) {
    where += text(", at ", name, ": ", has(name), "source ", has(in_source(name)));
  }
  errno = error;
  return text(said("rename", -1), ", move ", move, " after ",
              std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin).count(), " ms", where);
}

BusyPrograms::Round MovedFile::uses(std::uint64_t seed) {
  auto random = std::make_shared<Random>(seed);
  auto held = std::make_shared<UniqueFd>();
  return [this, random, held](std::uint64_t) { return use_once(*held, *random); };
}

std::string MovedFile::use_once(UniqueFd& held, Random& random) {
  switch (below(random, 6)) {
    case 0:
      return look_for_it(random);
    case 1:
      return list(random);
    case 2:
      held.reset();
      break;
    default:
      break;
  }
  if (!held.is_open()) return open_by_name(held);
  if (is_one_in(random, 4)) ::posix_fadvise(held.get(), 0, 0, POSIX_FADV_DONTNEED);
  const std::uint64_t offset = below(random, size_ / kRead) * kRead;
  const Time begin = Clock::now();
  std::vector<std::byte> bytes(kRead);
  const ssize_t got = ground_.calls.timed(
      "read", [&] { return ::pread(held.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
  if (got < 0 && ground_.excuses(errno, begin)) return {};
  if (got != static_cast<ssize_t>(kRead))
    return text("a file that is moved: ", got < 0 ? said("read", -1) : "a short read");
  const auto verdict = bytes_are(bytes, offset, pattern_);
  return verdict ? std::string() : text("a file that is moved: ", std::string(verdict.message()));
}

std::string MovedFile::open_by_name(UniqueFd& held) {
  const std::uint64_t before = done_;
  const Time begin = Clock::now();
  held = UniqueFd(ground_.calls.timed("open", [&] { return ::open(name_of(before).c_str(), O_RDONLY | O_CLOEXEC); }));
  if (held.is_open()) return {};
  const int error = errno;
  if (error == ENOENT && begun_ != before) return {};
  if (ground_.excuses(error, begin)) return {};
  errno = error;
  return text(said("open", -1), " of ", name_of(before), ", after move ", before);
}

std::string MovedFile::look_for_it(Random& random) const {
  const std::uint64_t before = done_;
  const std::uint64_t which = before + below(random, names_.size());
  struct stat status{};
  const Time begin = Clock::now();
  const int result = ground_.calls.timed("stat", [&] { return ::stat(name_of(which).c_str(), &status); });
  const int error = result == 0 ? 0 : errno;
  if (begun_ != before || ground_.excuses(error, begin)) return {};
  if (error == (which == before ? 0 : ENOENT)) return {};
  errno = error;
  return text(error == 0 ? "stat: it is there" : said("stat", -1), ", ", name_of(which), " after move ", before, " to ",
              name_of(before));
}

std::string MovedFile::list(Random& random) const {
  const std::uint64_t before = done_;
  const std::string& folder = folders_.at(below(random, folders_.size()));
  const Time begin = Clock::now();
  std::vector<std::string> found;
  const int error = ground_.calls.timed("listing", [&] {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), &::closedir);
    if (!stream) return errno;
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own
    while (const dirent* entry = ::readdir(stream.get())) {
      if (entry->d_name[0] != '.') found.push_back(text(folder, "/", entry->d_name));
    }
    return errno;
  });
  if (begun_ != before || ground_.excuses(error, begin)) return {};
  errno = error;
  if (error != 0) return text(said("listing", -1), " of ", folder);
  std::vector<std::string> wanted;
  if (name_of(before).starts_with(folder + "/")) wanted.push_back(name_of(before));
  if (found == wanted) return {};
  std::string names;
  for (const std::string& name : found) names += " " + name;
  return text("listing of ", folder, " after move ", before, " to ", name_of(before), ":", names);
}

}  // namespace arenacache::test
