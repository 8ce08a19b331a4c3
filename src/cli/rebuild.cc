// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <string>
#include <string_view>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "commands.h"

namespace arenacache::cli {

using base::ErrorKind;
using base::fail;
using base::fail_errno;
using base::Result;
using base::text;
using base::UniqueFd;

namespace {

/// The store's lock, as the daemon takes it; it ends with the descriptor.
Result<UniqueFd> lock_store(const std::string& store) {
  struct stat found{};
  if (::stat((store + "/VERSION").c_str(), &found) < 0) {
    return fail_errno(ErrorKind::invalid, errno, text(store, " is no store of arenacache (it has no VERSION)"));
  }
  UniqueFd fd(::open((store + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.is_open()) return fail_errno(ErrorKind::invalid, errno, text("cannot open the lock of the store ", store));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) return fail_errno(ErrorKind::invalid, errno, text("cannot lock the store ", store));
  return fail(ErrorKind::invalid, EWOULDBLOCK, text("a daemon uses the store ", store, ": stop arenacached first"));
}

/// Moves the index and its journal aside together: SQLite finds the journal by the database's name.
Result<bool> set_index_aside(const std::string& store) {
  // The database first: left alone without its journal it would look whole, and be old.
  constexpr std::array<std::string_view, 3> kParts = {"", "-wal", "-shm"};
  const std::string from = store + "/index.db";
  const std::string to = from + ".before-rebuild";
  if (::access(from.c_str(), F_OK) < 0) return false;
  for (const std::string_view part : kParts) {
    ::unlink(text(to, part).c_str());
    if (::rename(text(from, part).c_str(), text(to, part).c_str()) < 0 && errno != ENOENT) {
      return fail_errno(ErrorKind::store, errno, text("cannot set the index ", from, part, " aside"));
    }
  }
  return true;
}

}  // namespace

Result<int> run_rebuild(const std::string& store, Console& console) {
  if (store.empty()) return fail(ErrorKind::invalid, 0, "which store? No config names one: give --store DIR");
  AC_ASSIGN(const UniqueFd lock, lock_store(store));
  AC_ASSIGN(const bool was_there, set_index_aside(store));
  if (was_there) {
    console.out << "The index is set aside (" << store
                << "/index.db.before-rebuild); the next start of arenacached rebuilds it.\n"
                << "Pins and the lifetime counters were in it: they begin anew.\n";
  } else {
    console.out << "The store has no index: the next start of arenacached rebuilds it.\n";
  }
  return kExitSuccess;
}

}  // namespace arenacache::cli
