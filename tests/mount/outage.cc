// SPDX-License-Identifier: Apache-2.0
#include "mount/outage.h"

#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include <gtest/gtest.h>

#include "arenacache/base/result.h"

namespace arenacache::test {

namespace fs = std::filesystem;

std::map<std::string, std::uint64_t> tree_of(const std::string& root) {
  std::map<std::string, std::uint64_t> found;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root)) {
    struct stat status{};
    const bool is_there = ::lstat(entry.path().c_str(), &status) == 0;
    EXPECT_TRUE(is_there) << entry.path() << ": " << std::strerror(errno);
    const bool is_file = is_there && S_ISREG(status.st_mode);
    found[entry.path().string().substr(root.size())] = is_file ? static_cast<std::uint64_t>(status.st_size) : 0;
  }
  return found;
}

int look_up(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 ? 0 : errno;
}

MappedReader::MappedReader(const Model& model, std::uint64_t offset)
    : fd_(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC)) {
  AC_CHECK(fd_.is_open());
  void* const place = ::mmap(nullptr, model.size, PROT_READ, MAP_SHARED, fd_.get(), 0);
  AC_CHECK(place != MAP_FAILED);
  map_ = {static_cast<const std::byte*>(place), model.size};
  expected_ = pattern_bytes(offset, kPage, model.pattern);
  offset_ = offset;
}

MappedReader::~MappedReader() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::munmap(const_cast<std::byte*>(map_.data()), map_.size());
}

void MappedReader::start() {
  child_ = ::fork();
  AC_CHECK(child_ >= 0);
  if (child_ == 0) ::_exit(std::memcmp(map_.data() + offset_, expected_.data(), expected_.size()) == 0 ? 0 : 1);
}

bool MappedReader::is_waiting() const {
  siginfo_t ended{};
  return ::waitid(P_PID, static_cast<id_t>(child_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}

int MappedReader::wait() {
  int status = -1;
  ::waitpid(std::exchange(child_, -1), &status, 0);
  return status;
}

}  // namespace arenacache::test
