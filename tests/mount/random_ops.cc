// SPDX-License-Identifier: Apache-2.0
#include "mount/random_ops.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr std::size_t kLongestWrite = 300'000;
constexpr std::uint64_t kLargestFile = 3'000'000;
constexpr std::size_t kMostHeld = 6;

std::string result(long value) { return value < 0 ? errno_name(errno) : std::to_string(value); }

std::string stat_line(const struct stat& status) {
  return text("mode ", status.st_mode, " links ", S_ISDIR(status.st_mode) ? 0 : status.st_nlink, " size ",
              S_ISDIR(status.st_mode) ? 0 : status.st_size);
}

std::string read_line(int fd, std::size_t length, off_t offset) {
  std::string buffer(length, '\0');
  const ssize_t got = ::pread(fd, buffer.data(), length, offset);
  return got < 0 ? errno_name(errno) : digest({buffer.data(), static_cast<std::size_t>(got)});
}

}  // namespace

std::string RandomOps::step() {
  // Writing and reading come more often than the rest: they are what the cache is about.
  static constexpr std::array kDeeds{
      &RandomOps::create,     &RandomOps::create,        &RandomOps::write,      &RandomOps::write,
      &RandomOps::write,      &RandomOps::truncate,      &RandomOps::read_whole, &RandomOps::read_whole,
      &RandomOps::read_whole, &RandomOps::read_range,    &RandomOps::stat,       &RandomOps::rename,
      &RandomOps::rename,     &RandomOps::exchange,      &RandomOps::link,       &RandomOps::symlink,
      &RandomOps::unlink,     &RandomOps::mkdir,         &RandomOps::rmdir,      &RandomOps::chmod,
      &RandomOps::set_times,  &RandomOps::set_attribute, &RandomOps::punch,      &RandomOps::list,
      &RandomOps::open_held,  &RandomOps::close_held,    &RandomOps::read_held,  &RandomOps::read_held,
      &RandomOps::write_held, &RandomOps::truncate_held};
  return (this->*kDeeds.at(below(kDeeds.size())))();
}

std::string RandomOps::any_name() {
  static constexpr std::array<std::string_view, 5> kFolders{"", "", "loras/", "vae/", "loras/below/"};
  static constexpr std::array<std::string_view, 7> kNames{"a.safetensors", "b.gguf", "c", "d", "loras", "vae", "below"};
  const std::string folder(kFolders.at(below(kFolders.size())));
  return folder + std::string(kNames.at(below(kNames.size())));
}

std::string RandomOps::bytes(std::size_t length) {
  const char first = static_cast<char>('a' + below(26));
  std::string out(length, first);
  for (std::size_t at = 0; at < length; at += 97)
    out[at] = static_cast<char>('A' + (at / 97 + static_cast<std::size_t>(first)) % 26);
  return out;
}

std::string RandomOps::create() {
  const std::string name = any_name();
  static constexpr std::array kFlags{0, O_TRUNC, O_EXCL};
  const int flags = kFlags.at(below(kFlags.size()));
  const std::string content = bytes(below(kLongestWrite));
  const UniqueFd fd(::open(at(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0644));
  if (!fd.is_open()) return text("create ", name, " flags ", flags, ": ", errno_name(errno));
  return text("create ", name, " flags ", flags, ": ", result(::write(fd.get(), content.data(), content.size())));
}

std::string RandomOps::write() {
  const std::string name = any_name();
  const auto offset = static_cast<off_t>(below(kLargestFile));
  const std::string content = bytes(1 + below(kLongestWrite));
  const UniqueFd fd(::open(at(name).c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return text("write ", name, ": ", errno_name(errno));
  return text("write ", name, " at ", offset, ": ", result(::pwrite(fd.get(), content.data(), content.size(), offset)));
}

std::string RandomOps::truncate() {
  const std::string name = any_name();
  const auto size = static_cast<off_t>(below(kLargestFile));
  return text("truncate ", name, " to ", size, ": ", result(::truncate(at(name).c_str(), size)));
}

std::string RandomOps::read_whole() {
  const std::string name = any_name();
  const UniqueFd fd(::open(at(name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return text("read ", name, ": ", errno_name(errno));
  return text("read ", name, ": ", read_line(fd.get(), 2 * kLargestFile, 0));
}

std::string RandomOps::read_range() {
  const std::string name = any_name();
  const auto offset = static_cast<off_t>(below(kLargestFile));
  const auto length = below(kLongestWrite);
  const UniqueFd fd(::open(at(name).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return text("read ", name, ": ", errno_name(errno));
  return text("read ", name, " at ", offset, ": ", read_line(fd.get(), length, offset));
}

std::string RandomOps::stat() {
  const std::string name = any_name();
  struct stat status{};
  if (::lstat(at(name).c_str(), &status) != 0) return text("stat ", name, ": ", errno_name(errno));
  return text("stat ", name, ": ", stat_line(status));
}

std::string RandomOps::rename() {
  const std::string from = any_name(), to = any_name();
  return text("rename ", from, " to ", to, ": ", result(::rename(at(from).c_str(), at(to).c_str())));
}

std::string RandomOps::exchange() {
  const std::string from = any_name(), to = any_name();
  const unsigned flags = below(2) == 0 ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  return text("rename ", from, " to ", to, " flags ", flags, ": ",
              result(::renameat2(AT_FDCWD, at(from).c_str(), AT_FDCWD, at(to).c_str(), flags)));
}

std::string RandomOps::link() {
  const std::string from = any_name(), to = any_name();
  return text("link ", from, " to ", to, ": ", result(::link(at(from).c_str(), at(to).c_str())));
}

std::string RandomOps::symlink() {
  const std::string target = any_name(), name = any_name();
  return text("symlink ", name, " to ", target, ": ", result(::symlink(target.c_str(), at(name).c_str())));
}

std::string RandomOps::unlink() {
  const std::string name = any_name();
  return text("unlink ", name, ": ", result(::unlink(at(name).c_str())));
}

std::string RandomOps::mkdir() {
  const std::string name = any_name();
  return text("mkdir ", name, ": ", result(::mkdir(at(name).c_str(), 0755)));
}

std::string RandomOps::rmdir() {
  const std::string name = any_name();
  return text("rmdir ", name, ": ", result(::rmdir(at(name).c_str())));
}

std::string RandomOps::chmod() {
  const std::string name = any_name();
  const auto mode = static_cast<mode_t>(0700 | below(0100));
  return text("chmod ", name, ": ", result(::chmod(at(name).c_str(), mode)));
}

std::string RandomOps::set_times() {
  const std::string name = any_name();
  const timespec when{.tv_sec = 1'000'000'000 + static_cast<time_t>(below(1000)),
                      .tv_nsec = static_cast<long>(below(1'000'000'000))};
  const std::array<timespec, 2> times{when, when};
  const long set = ::utimensat(AT_FDCWD, at(name).c_str(), times.data(), AT_SYMLINK_NOFOLLOW);
  if (set != 0) return text("times ", name, ": ", errno_name(errno));
  struct stat status{};
  const long got = ::lstat(at(name).c_str(), &status);
  return text("times ", name, ": ", result(got), " ", status.st_mtim.tv_sec, ".", status.st_mtim.tv_nsec);
}

std::string RandomOps::set_attribute() {
  const std::string name = any_name();
  const std::string value = bytes(below(100));
  return text("xattr ", name, ": ", result(::lsetxattr(at(name).c_str(), "user.note", value.data(), value.size(), 0)));
}

std::string RandomOps::punch() {
  const std::string name = any_name();
  const auto offset = static_cast<off_t>(below(kLargestFile));
  const auto length = static_cast<off_t>(1 + below(kLongestWrite));
  const UniqueFd fd(::open(at(name).c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return text("punch ", name, ": ", errno_name(errno));
  return text("punch ", name, " at ", offset, ": ",
              result(::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length)));
}

std::string RandomOps::list() {
  const std::string name = any_name();
  DIR* const folder = ::opendir(at(name).c_str());
  if (folder == nullptr) return text("list ", name, ": ", errno_name(errno));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder)) names.emplace_back(entry->d_name);
  ::closedir(folder);
  std::sort(names.begin(), names.end());
  std::string out = text("list ", name, ":");
  for (const auto& one : names) out += " " + one;
  return out;
}

std::string RandomOps::open_held() {
  const std::string name = any_name();
  const int access = below(2) == 0 ? O_RDWR : O_RDONLY;
  if (held_.size() >= kMostHeld) held_.erase(held_.begin());
  UniqueFd fd(::open(at(name).c_str(), access | O_CLOEXEC | O_NONBLOCK));
  if (!fd.is_open()) return text("open ", name, ": ", errno_name(errno));
  held_.push_back(std::move(fd));
  return text("open ", name, " mode ", access, ": ok");
}

std::string RandomOps::close_held() {
  if (held_.empty()) return "close: none";
  held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(below(held_.size())));
  return "close: ok";
}

std::string RandomOps::read_held() {
  if (held_.empty()) return "read held: none";
  const auto which = below(held_.size());
  const auto offset = static_cast<off_t>(below(kLargestFile));
  struct stat status{};
  const int fd = held_.at(which).get();
  const long got = ::fstat(fd, &status);
  return text("read held ", which, " at ", offset, ": ", result(got), " ", stat_line(status), " ",
              read_line(fd, below(kLongestWrite), offset));
}

std::string RandomOps::write_held() {
  if (held_.empty()) return "write held: none";
  const auto which = below(held_.size());
  const auto offset = static_cast<off_t>(below(kLargestFile));
  const std::string content = bytes(1 + below(kLongestWrite));
  return text("write held ", which, " at ", offset, ": ",
              result(::pwrite(held_.at(which).get(), content.data(), content.size(), offset)));
}

std::string RandomOps::truncate_held() {
  if (held_.empty()) return "truncate held: none";
  const auto which = below(held_.size());
  const auto size = static_cast<off_t>(below(kLargestFile));
  return text("truncate held ", which, " to ", size, ": ", result(::ftruncate(held_.at(which).get(), size)));
}

}  // namespace arenacache::test
