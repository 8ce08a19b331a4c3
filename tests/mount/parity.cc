// SPDX-License-Identifier: Apache-2.0
#include "mount/parity.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <functional>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"

namespace arenacache::test {
namespace {

using base::text;

std::string octal(mode_t mode) {
  std::ostringstream out;
  out << std::oct << mode;
  return out.str();
}

/// Control characters and bytes over 127 as \xNN, so that a name is one printable line.
std::string printable(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (const char byte : bytes) {
    const auto value = static_cast<unsigned char>(byte);
    if (value >= 0x20 && value < 0x7f) {
      out += byte;
    } else {
      out += "\\x";
      out += kDigits[value >> 4];
      out += kDigits[value & 15];
    }
  }
  return out;
}

std::string stat_text(const struct stat& status) {
  const std::string size = S_ISDIR(status.st_mode) ? "-" : std::to_string(status.st_size);
  return text("mode ", octal(status.st_mode), " links ", status.st_nlink, " owner ", status.st_uid, ":", status.st_gid,
              " size ", size);
}

std::string time_text(const timespec& time) { return text(time.tv_sec, ".", time.tv_nsec); }

/// Content through a fresh open, or the errno's name.
std::string read_whole(const std::string& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.is_open()) return errno_name(errno);
  std::string out;
  std::vector<char> buffer(64 << 10);
  ssize_t got = 0;
  while ((got = ::read(fd.get(), buffer.data(), buffer.size())) > 0)
    out.append(buffer.data(), static_cast<std::size_t>(got));
  return got < 0 ? errno_name(errno) : digest(out);
}

std::string link_target(const std::string& path) {
  std::array<char, 4096> buffer{};
  const ssize_t length = ::readlink(path.c_str(), buffer.data(), buffer.size());
  return length < 0 ? errno_name(errno) : printable({buffer.data(), static_cast<std::size_t>(length)});
}

std::string xattr_text(const std::string& path) {
  const ssize_t needed = ::llistxattr(path.c_str(), nullptr, 0);
  if (needed <= 0) return needed == 0 ? std::string() : errno_name(errno);
  std::string names(static_cast<std::size_t>(needed), '\0');
  const ssize_t length = ::llistxattr(path.c_str(), names.data(), names.size());
  if (length < 0) return errno_name(errno);
  std::vector<std::string> pairs;
  for (std::size_t at = 0; at < static_cast<std::size_t>(length);) {
    const std::string name = names.c_str() + at;
    at += name.size() + 1;
    std::string value(65536, '\0');
    const ssize_t size = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    pairs.push_back(
        text(name, "=", size < 0 ? errno_name(errno) : digest({value.data(), static_cast<std::size_t>(size)})));
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const auto& pair : pairs) out += " " + pair;
  return out;
}

std::string entry_text(const std::string& path, const std::string& relative) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return text(printable(relative), " ", errno_name(errno));
  std::string out = text(printable(relative), " ", stat_text(status));
  if (S_ISREG(status.st_mode)) out += " content " + read_whole(path);
  if (S_ISLNK(status.st_mode)) out += " to " + link_target(path);
  return out + xattr_text(path);
}

bool become_user(uid_t user, gid_t group, const std::vector<gid_t>& groups) {
  return ::setgroups(groups.size(), groups.data()) == 0 && ::setresgid(group, group, group) == 0 &&
         ::setresuid(user, user, user) == 0;
}

[[noreturn]] void report_and_exit(int descriptor, const Transcript& lines) {
  std::string all;
  for (const auto& line : lines) all += line + '\n';
  std::string_view left = all;
  while (!left.empty()) {
    const ssize_t written = ::write(descriptor, left.data(), left.size());
    if (written <= 0) ::_exit(1);
    left.remove_prefix(static_cast<std::size_t>(written));
  }
  ::_exit(0);
}

}  // namespace

std::string errno_name(int number) {
  const char* name = ::strerrorname_np(number);
  return name == nullptr ? std::to_string(number) : name;
}

std::string digest(std::string_view bytes) {
  constexpr std::size_t kShort = 60;
  if (bytes.size() <= kShort) return "\"" + printable(bytes) + "\"";
  return text(bytes.size(), " bytes #", base::xxh3_64(bytes));
}

long Place::call(std::string_view what, long result) {
  note(text(what, " = ", result < 0 ? errno_name(errno) : std::to_string(result)));
  return result;
}

int Place::opened(std::string_view what, int descriptor) {
  note(text(what, " = ", descriptor < 0 ? errno_name(errno) : "ok"));
  return descriptor;
}

void Place::note_status(std::string_view what, const struct stat& status) { note(text(what, ": ", stat_text(status))); }

void Place::note_stat(std::string_view what, std::string_view name) {
  struct stat status{};
  if (call(text(what, ", lstat"), ::lstat(at(name).c_str(), &status)) == 0) note_status(what, status);
}

void Place::note_stat(std::string_view what, int descriptor) {
  struct stat status{};
  if (call(text(what, ", fstat"), ::fstat(descriptor, &status)) == 0) note_status(what, status);
}

void Place::note_times(std::string_view what, std::string_view name) {
  struct stat status{};
  if (call(text(what, ", lstat"), ::lstat(at(name).c_str(), &status)) == 0) {
    note(text(what, ": read ", time_text(status.st_atim), " written ", time_text(status.st_mtim)));
  }
}

void Place::note_content(std::string_view what, std::string_view name) {
  note(text(what, ": content ", read_whole(at(name))));
}

void Place::note_listing(std::string_view what, std::string_view name) {
  DIR* folder = ::opendir(at(name).c_str());
  if (folder == nullptr) return note(text(what, ": opendir ", errno_name(errno)));
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(folder)) {
    names.push_back(text(printable(entry->d_name), " type ", static_cast<int>(entry->d_type)));
  }
  ::closedir(folder);
  std::sort(names.begin(), names.end());
  std::string all;
  for (const auto& one : names) all += one + "\n";
  note(text(what, ": ", names.size(), " entries ", digest(all)));
}

void Place::make_file(std::string_view name, std::string_view content, mode_t mode) {
  const base::UniqueFd fd(::open(at(name).c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd.is_open()) return note(text("make ", printable(name), ": ", errno_name(errno)));
  if (::write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    note(text("fill ", printable(name), ": ", errno_name(errno)));
  }
}

void Place::make_folder(std::string_view name, mode_t mode) {
  if (::mkdir(at(name).c_str(), mode) != 0) note(text("mkdir ", printable(name), ": ", errno_name(errno)));
}

void Place::as_user(uid_t user, gid_t group, const std::vector<gid_t>& groups,
                    const std::function<void(Place&)>& deeds) {
  in_child([&] { return become_user(user, group, groups); }, deeds);
}

void Place::elsewhere(const std::function<void(Place&)>& deeds) {
  in_child([] { return true; }, deeds);
}

void Place::in_child(const std::function<bool()>& become, const std::function<void(Place&)>& deeds) {
  std::array<int, 2> ends{};
  AC_CHECK(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const base::UniqueFd reading(ends[0]);
  base::UniqueFd writing(ends[1]);
  const pid_t child = ::fork();
  AC_CHECK(child >= 0);
  if (child == 0) {
    Place there(root_);
    if (become()) {
      deeds(there);
    } else {
      there.note("cannot become that user: " + errno_name(errno));
    }
    report_and_exit(writing.get(), there.transcript());
  }
  writing.reset();
  std::string all;
  std::array<char, 4096> buffer{};
  ssize_t got = 0;
  while ((got = ::read(reading.get(), buffer.data(), buffer.size())) > 0)
    all.append(buffer.data(), static_cast<std::size_t>(got));
  int status = 0;
  ::waitpid(child, &status, 0);
  std::istringstream lines(all);
  for (std::string line; std::getline(lines, line);) note("  child: " + line);
  note(text("  child ended ", status));
}

Transcript snapshot(const std::string& root) {
  Transcript out{entry_text(root, ".")};
  std::error_code error;
  for (std::filesystem::recursive_directory_iterator at(root, error), end; !error && at != end; at.increment(error)) {
    const std::string path = at->path().string();
    out.push_back(entry_text(path, path.substr(root.size() + 1)));
  }
  if (error) out.push_back("walk: " + error.message());
  std::sort(out.begin(), out.end());
  return out;
}

std::string first_difference(const Transcript& left, const Transcript& right) {
  const auto [l, r] = std::mismatch(left.begin(), left.end(), right.begin(), right.end());
  if (l == left.end() && r == right.end()) return {};
  constexpr std::ptrdiff_t kContext = 5;
  std::string out;
  for (auto at = l - std::min(kContext, l - left.begin()); at != l; ++at) out += "   both: " + *at + "\n";
  out += "   left: " + (l == left.end() ? "(end)" : *l) + "\n";
  out += "  right: " + (r == right.end() ? "(end)" : *r) + "\n";
  return out;
}

}  // namespace arenacache::test
