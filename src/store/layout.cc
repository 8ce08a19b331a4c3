// SPDX-License-Identifier: Apache-2.0
#include "arenacache/store/layout.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "arenacache/base/file_io.h"
#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "durable_directory.h"

namespace arenacache::store {

namespace {

using base::ErrorKind;
using base::text;

/// What a folder can be: a word for people, and what its VERSION has before the number.
struct FolderKind {
  std::string_view noun;
  std::string_view prefix;
  unsigned format;
};
constexpr FolderKind kStore = {.noun = "store", .prefix = "", .format = 1};
constexpr FolderKind kPackedTier = {.noun = "packed tier", .prefix = "packed ", .format = 1};

constexpr std::size_t kMaxSmallFileBytes = 64;  ///< VERSION and lock hold one number each
constexpr std::string_view kVersionName = "VERSION";
constexpr std::string_view kVersionTemporary = "VERSION.tmp";
constexpr std::string_view kIdentityName = "identity";
constexpr std::string_view kLockName = "lock";
/// What may lie in a folder that is to become a store: what a start that was cut short left, and what mkfs.ext4 makes.
constexpr std::array<std::string_view, 3> kHarmlessNames = {kLockName, kVersionTemporary, "lost+found"};

std::span<const std::byte> bytes_of(std::string_view words) {
  return std::as_bytes(std::span(words.data(), words.size()));
}

/// The only line of a small file: `prefix` and a number. Nothing for anything else.
base::Result<std::uint64_t> read_number(base::FileIo& io, int fd, const std::string& path, std::string_view prefix) {
  std::array<std::byte, kMaxSmallFileBytes> bytes{};
  AC_ASSIGN(const std::size_t got, io.read_at(fd, bytes, 0));
  std::string words;
  for (const std::byte b : std::span(bytes).first(got)) words.push_back(static_cast<char>(b));
  std::uint64_t number = 0;
  const char* begin = words.data() + (words.starts_with(prefix) ? prefix.size() : words.size());
  const auto [end, error] = std::from_chars(begin, words.data() + words.size(), number);
  if (error != std::errc{} || std::string_view(end, words.data() + words.size()) != "\n") {
    return base::fail(ErrorKind::corrupt, EINVAL, text(path, " does not hold a number"));
  }
  return number;
}

/// Makes the folder and those above it.
base::Result<void> make_folders(base::FileIo& io, const std::string& path) {
  auto made = make_durable_directory(io, path);
  if (made || made.error().errno_value != ENOENT) return made;
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos || slash == 0) return made;
  AC_TRY(make_folders(io, path.substr(0, slash)));
  return make_durable_directory(io, path);
}

/// Refuses a folder with somebody's files in it. Before anything of ours is written there.
base::Result<void> check_is_ours(const FolderKind& kind, const std::string& path,
                                 const std::vector<std::string>& names) {
  if (std::ranges::find(names, kVersionName) != names.end()) return {};
  for (const std::string& name : names) {
    if (std::ranges::find(kHarmlessNames, name) != kHarmlessNames.end()) continue;
    return base::fail(
        ErrorKind::invalid, ENOTEMPTY,
        text("cannot use ", path, " as the ", kind.noun, ": it has other files in it (", name,
             ") and no VERSION file, so it is not a ", kind.noun, "; name an empty folder or one that does not exist"));
  }
  return {};
}

base::Result<base::UniqueFd> take_lock(base::FileIo& io, const FolderKind& kind, const std::string& path) {
  const std::string lock_path = text(path, '/', kLockName);
  AC_ASSIGN(base::UniqueFd lock, io.open(lock_path, O_RDWR | O_CREAT, kFileMode));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    const int errno_value = errno;
    if (errno_value != EWOULDBLOCK)
      return base::fail_errno(ErrorKind::store, errno_value, text("cannot lock ", lock_path));
    const auto holder = read_number(io, lock.get(), lock_path, "");
    const std::string who = holder ? text(" (process ", *holder, ")") : std::string();
    return base::fail(ErrorKind::invalid, EBUSY,
                      text("cannot use the ", kind.noun, " ", path, ": another arenacached", who,
                           " uses it; stop that one, or give this one a ", kind.noun, " of its own"));
  }
  AC_TRY(io.truncate(lock.get(), 0));
  // The number is for people: a disk too full for it is no reason to stop.
  auto noted = io.write_at(lock.get(), bytes_of(text(::getpid(), '\n')), 0);
  if (!noted && noted.error().kind != ErrorKind::no_space) return std::unexpected(std::move(noted).error());
  return lock;
}

/// Makes the file `name`, whole or not at all.
base::Result<void> write_small_file(base::FileIo& io, const std::string& path, std::string_view name,
                                    std::string_view words) {
  const std::string temporary = text(path, '/', name, ".tmp");
  {
    AC_ASSIGN(const base::UniqueFd fd, io.open(temporary, O_WRONLY | O_CREAT | O_TRUNC, kFileMode));
    AC_TRY(io.write_at(fd.get(), bytes_of(words), 0));
    AC_TRY(io.sync_data(fd.get()));
  }
  AC_TRY(io.rename(temporary, text(path, '/', name)));
  return io.sync_directory(path);
}

base::Result<void> check_version(base::FileIo& io, const FolderKind& kind, const std::string& path) {
  const std::string version_path = text(path, '/', kVersionName);
  auto fd = io.open(version_path, O_RDONLY, 0);
  if (!fd && fd.error().errno_value == ENOENT)
    return write_small_file(io, path, kVersionName, text(kind.prefix, kind.format, '\n'));
  if (!fd) return std::unexpected(std::move(fd).error());
  const auto version = read_number(io, fd->get(), version_path, kind.prefix);
  if (!version && version.error().kind != ErrorKind::corrupt) return std::unexpected(version.error());
  if (version && *version == kind.format) return {};
  if (version && *version > kind.format) {
    return base::fail(
        ErrorKind::invalid, EINVAL,
        text("cannot use the ", kind.noun, " ", path, ": it is of format ", *version,
             ", and this arenacached knows up to ", kind.format, "; run a newer arenacached, or name another folder"));
  }
  const FolderKind& other = &kind == &kStore ? kPackedTier : kStore;
  const auto as_other = read_number(io, fd->get(), version_path, other.prefix);
  if (as_other && *as_other > 0) {
    return base::fail(
        ErrorKind::invalid, EINVAL,
        text("cannot use ", path, " as the ", kind.noun, ": it is a ", other.noun, "; name another folder"));
  }
  return base::fail(
      ErrorKind::invalid, EINVAL,
      text("cannot use the ", kind.noun, " ", path, ": its VERSION file is not one of arenacache; if the folder is a ",
           kind.noun, ", delete it (nothing but time is lost), else name another folder"));
}

base::Result<StoreFolder> open_folder(base::FileIo& io, const FolderKind& kind, const std::string& path) {
  AC_TRY(make_folders(io, path));
  AC_ASSIGN(const std::vector<std::string> names, io.list(path));
  AC_TRY(check_is_ours(kind, path, names));
  StoreFolder folder{.path = path, .lock = {}};
  AC_ASSIGN(base::UniqueFd lock, take_lock(io, kind, path));
  folder.lock = base::HeldApart(std::move(lock));
  AC_TRY(check_version(io, kind, path));
  return folder;
}

/// Refuses a folder in which no tier is, or no folder, where there was one: its disk is not mounted, and what would be made there
/// would fill the disk below it.
base::Result<void> expect_tier(base::FileIo& io, const std::string& path) {
  const auto names = io.list(path);
  if (names && std::ranges::find(*names, kVersionName) != names->end()) return {};
  if (!names && names.error().errno_value != ENOENT) return std::unexpected(names.error());
  return base::fail(
      ErrorKind::store, ENODEV,
      text(path, names ? " is empty" : " is not there", ", and a packed tier on a disk of its own was there"));
}

/// The number in the tier's identity file, which is made where it is missing or spoilt.
base::Result<std::uint64_t> identity_of(base::FileIo& io, const std::string& path, std::uint64_t expected) {
  const std::string file = text(path, '/', kIdentityName);
  auto fd = io.open(file, O_RDONLY, 0);
  if (!fd && fd.error().errno_value != ENOENT) return std::unexpected(std::move(fd).error());
  if (fd) {
    auto number = read_number(io, fd->get(), file, "");
    if (number && expected != 0 && *number != expected)
      return base::fail(ErrorKind::store, ENODEV, text("another packed tier lies in ", path, " than was there"));
    if (number || number.error().kind != ErrorKind::corrupt) return number;
  }
  std::uint64_t fresh = 0;
  while (fresh == 0) {
    if (::getrandom(&fresh, sizeof fresh, 0) != static_cast<ssize_t>(sizeof fresh))
      return base::fail_errno(ErrorKind::store, errno, text("cannot make an identity for ", path));
  }
  AC_TRY(write_small_file(io, path, kIdentityName, text(fresh, '\n')));
  return fresh;
}

}  // namespace

base::Result<StoreFolder> open_store_folder(base::FileIo& io, const std::string& path) {
  return open_folder(io, kStore, path);
}

base::Result<StoreFolder> open_packed_folder(base::FileIo& io, const std::string& path, std::uint64_t expected) {
  if (expected != 0) AC_TRY(expect_tier(io, path));
  AC_ASSIGN(StoreFolder folder, open_folder(io, kPackedTier, path));
  AC_ASSIGN(folder.identity, identity_of(io, path, expected));
  return folder;
}

}  // namespace arenacache::store
