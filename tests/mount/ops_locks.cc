// SPDX-License-Identifier: Apache-2.0
// Parity cases: flock and POSIX locks between two processes.
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

struct flock range(short type, off_t start, off_t length) {
  struct flock out{};
  out.l_type = type;
  out.l_whence = SEEK_SET;
  out.l_start = start;
  out.l_len = length;
  return out;
}

UniqueFd open_lock(Place& p) { return UniqueFd(::open(p.at("lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)); }

void flocks(Place& p) {
  const UniqueFd fd = open_lock(p);
  p.call("exclusive", ::flock(fd.get(), LOCK_EX));
  p.elsewhere([](Place& there) {
    const UniqueFd own = open_lock(there);
    there.call("exclusive, held", ::flock(own.get(), LOCK_EX | LOCK_NB));
    there.call("shared, held", ::flock(own.get(), LOCK_SH | LOCK_NB));
  });
  const UniqueFd second = open_lock(p);
  p.call("another open of this process", ::flock(second.get(), LOCK_EX | LOCK_NB));
  p.call("down to shared", ::flock(fd.get(), LOCK_SH));
  p.elsewhere([](Place& there) {
    const UniqueFd own = open_lock(there);
    there.call("shared beside shared", ::flock(own.get(), LOCK_SH | LOCK_NB));
    there.call("exclusive beside shared", ::flock(own.get(), LOCK_EX | LOCK_NB));
  });
  p.call("unlock", ::flock(fd.get(), LOCK_UN));
  p.elsewhere([](Place& there) {
    const UniqueFd own = open_lock(there);
    there.call("exclusive, free", ::flock(own.get(), LOCK_EX | LOCK_NB));
  });
  p.call("free again when its holder is gone", ::flock(second.get(), LOCK_EX | LOCK_NB));
}

void flock_waits(Place& p) {
  const UniqueFd fd = open_lock(p);
  p.call("exclusive", ::flock(fd.get(), LOCK_EX));
  std::array<int, 2> ends{};
  p.call("pipe", ::pipe2(ends.data(), O_CLOEXEC));
  const UniqueFd reading(ends[0]), writing(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    const UniqueFd own = open_lock(p);
    const bool is_blocked = ::flock(own.get(), LOCK_EX | LOCK_NB) != 0;
    if (::write(writing.get(), "w", 1) != 1) ::_exit(9);
    ::_exit(is_blocked && ::flock(own.get(), LOCK_EX) == 0 ? 0 : 1);
  }
  char word = 0;
  p.call("the child waits", ::read(reading.get(), &word, 1));
  p.call("unlock", ::flock(fd.get(), LOCK_UN));
  int status = 0;
  p.opened("wait", ::waitpid(child, &status, 0));
  p.note(text("child ended ", status));
}

void posix_locks(Place& p) {
  const UniqueFd fd = open_lock(p);
  struct flock mine = range(F_WRLCK, 100, 50);
  p.call("write lock", ::fcntl(fd.get(), F_SETLK, &mine));
  const pid_t parent = ::getpid();
  p.elsewhere([parent](Place& there) {
    const UniqueFd own = open_lock(there);
    struct flock wanted = range(F_WRLCK, 120, 10);
    there.call("within", ::fcntl(own.get(), F_SETLK, &wanted));
    there.call("who", ::fcntl(own.get(), F_GETLK, &wanted));
    there.note(text("type ", wanted.l_type, " from ", wanted.l_start, " length ", wanted.l_len,
                    " the parent: ", wanted.l_pid == parent ? "yes" : "no"));
    wanted = range(F_RDLCK, 0, 100);
    there.call("before", ::fcntl(own.get(), F_SETLK, &wanted));
    wanted = range(F_RDLCK, 0, 0);
    there.call("all", ::fcntl(own.get(), F_SETLK, &wanted));
  });
  struct flock part = range(F_UNLCK, 110, 10);
  p.call("unlock a part", ::fcntl(fd.get(), F_SETLK, &part));
  p.elsewhere([](Place& there) {
    const UniqueFd own = open_lock(there);
    struct flock wanted = range(F_WRLCK, 110, 10);
    there.call("in the part", ::fcntl(own.get(), F_SETLK, &wanted));
    wanted = range(F_WRLCK, 110, 11);
    there.call("beyond the part", ::fcntl(own.get(), F_SETLK, &wanted));
  });
  {
    const UniqueFd closing = open_lock(p);
  }
  p.elsewhere([](Place& there) {
    const UniqueFd own = open_lock(there);
    struct flock wanted = range(F_WRLCK, 0, 0);
    there.call("free: any close drops them all", ::fcntl(own.get(), F_SETLK, &wanted));
  });
}

void open_file_locks(Place& p) {
  const UniqueFd fd = open_lock(p);
  const UniqueFd second = open_lock(p);
  struct flock mine = range(F_WRLCK, 0, 10);
  p.call("lock", ::fcntl(fd.get(), F_OFD_SETLK, &mine));
  struct flock other = range(F_WRLCK, 5, 10);
  p.call("another open", ::fcntl(second.get(), F_OFD_SETLK, &other));
  struct flock shared = range(F_RDLCK, 0, 10);
  p.call("down to shared", ::fcntl(fd.get(), F_OFD_SETLK, &shared));
  other = range(F_RDLCK, 5, 10);
  p.call("shared beside shared", ::fcntl(second.get(), F_OFD_SETLK, &other));
}

void locks_follow_the_file(Place& p) {
  const UniqueFd fd = open_lock(p);
  p.call("lock", ::flock(fd.get(), LOCK_EX));
  p.call("rename", ::rename(p.at("lock").c_str(), p.at("moved").c_str()));
  p.elsewhere([](Place& there) {
    const UniqueFd own(::open(there.at("moved").c_str(), O_RDWR | O_CLOEXEC));
    there.call("held under its new name", ::flock(own.get(), LOCK_EX | LOCK_NB));
    const UniqueFd fresh = open_lock(there);
    there.call("a new file of the old name", ::flock(fresh.get(), LOCK_EX | LOCK_NB));
  });
  p.call("link", ::link(p.at("moved").c_str(), p.at("twin").c_str()));
  p.elsewhere([](Place& there) {
    const UniqueFd own(::open(there.at("twin").c_str(), O_RDWR | O_CLOEXEC));
    there.call("held under its other name", ::flock(own.get(), LOCK_EX | LOCK_NB));
  });
}

void flock_of_a_folder(Place& p) {
  const UniqueFd folder(::open(p.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  p.call("flock of a folder", ::flock(folder.get(), LOCK_EX | LOCK_NB));
  p.elsewhere([](Place& there) {
    const UniqueFd own(::open(there.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    there.call("held", ::flock(own.get(), LOCK_EX | LOCK_NB));
  });
}

}  // namespace

std::vector<ParityCase> lock_cases() {
  return {{"Flocks", flocks},
          {"FlockWaits", flock_waits},
          {"PosixLocks", posix_locks},
          {"OpenFileLocks", open_file_locks},
          {"LocksFollowTheFile", locks_follow_the_file},
          {"FlockOfAFolder", flock_of_a_folder}};
}

}  // namespace arenacache::test
