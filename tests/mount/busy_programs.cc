// SPDX-License-Identifier: Apache-2.0
#include "mount/busy_programs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is glibc's
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"
#include "mount/patterns.h"

namespace arenacache::test {

using base::text;
using base::UniqueFd;

namespace {

/// Deeds in their order, up to the first that fails.
class Steps {
 public:
  template <class Deed>
  Steps& then(Deed deed) {
    if (failed_.empty()) failed_ = deed();
    return *this;
  }
  [[nodiscard]] std::string failed() const { return failed_; }

 private:
  std::string failed_;
};

std::string expected_errno(const char* call, long result, int expected) {
  if (result >= 0) return text(call, ": done a second time");
  return errno == expected ? std::string()
                           : text(call, ": ", errno_name(errno), " in the place of ", errno_name(expected));
}

std::string write_all(int fd, const std::string& content) {
  const ssize_t written = ::write(fd, content.data(), content.size());
  if (written < 0) return said("write", written);
  return std::cmp_equal(written, content.size()) ? std::string() : text("write: only ", written, " bytes");
}

std::string read_all(int fd, const std::string& content) {
  std::string there(content.size() + 1, '\0');
  const ssize_t got = ::pread(fd, there.data(), there.size(), 0);
  if (got < 0) return said("pread", got);
  there.resize(static_cast<std::size_t>(got));
  return there == content ? std::string() : text("pread: \"", there, "\" in the place of \"", content, "\"");
}

std::string make_file(const std::string& path, const std::string& content) {
  const UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
  if (!file.is_open()) return said("create", -1);
  return write_all(file.get(), content);
}

std::string holds(const std::string& path, const std::string& content) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.is_open()) return said("open", -1);
  return read_all(file.get(), content);
}

}  // namespace

std::string said(const char* call, long result) {
  return result < 0 ? text(call, ": ", errno_name(errno)) : std::string();
}

void BusyPrograms::add(Round round) {
  threads_.emplace_back([this, round = std::move(round)] {
    for (std::uint64_t number = 0; !is_stopped_.load() && !has_failed_.load(); ++number) {
      if (std::string failure = round(number); !failure.empty()) {
        const base::MutexLock lock(mutex_);
        if (!has_failed_.exchange(true)) failure_ = text("round ", number, ": ", failure);
      }
      rounds_.fetch_add(1);
    }
  });
}

::testing::AssertionResult BusyPrograms::stop() {
  is_stopped_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  const base::MutexLock lock(mutex_);
  if (failure_.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << failure_;
}

BusyPrograms::Round changes_names(const std::string& folder) {
  return [folder](std::uint64_t number) {
    const std::string here = text(folder, "/round-", number);
    const std::string a = here + "/a", b = here + "/b", link = here + "/link", symlink = here + "/symlink";
    const std::string one = text("one ", number), two = text("two ", number);
    struct stat status{};
    Steps steps;
    const auto step = [&steps](auto deed) { steps.then(deed); };
    step([&] { return said("mkdir", ::mkdir(here.c_str(), 0755)); });
    step([&] { return make_file(a, one); });
    step([&] { return make_file(b, two); });
    step([&] { return expected_errno("mkdir again", ::mkdir(here.c_str(), 0755), EEXIST); });
    step([&] { return said("link", ::link(a.c_str(), link.c_str())); });
    step([&] { return said("symlink", ::symlink("a", symlink.c_str())); });
    step([&] { return said("rename", ::rename(a.c_str(), (a + "2").c_str())); });
    step([&] { return expected_errno("rename again", ::rename(a.c_str(), (a + "2").c_str()), ENOENT); });
    step([&] {
      return said("exchange", ::renameat2(AT_FDCWD, (a + "2").c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE));
    });
    step([&] { return holds(b, one); });
    step([&] { return holds(a + "2", two); });
    step([&] { return holds(link, one); });
    step([&] { return said("stat", ::stat(link.c_str(), &status)); });
    step([&] { return status.st_nlink == 2 ? std::string() : text("stat: ", status.st_nlink, " links"); });
    step([&] { return said("setxattr", ::setxattr(b.c_str(), "user.test", "1", 1, XATTR_CREATE)); });
    step([&] { return said("removexattr", ::removexattr(b.c_str(), "user.test")); });
    step([&] { return said("chmod", ::chmod(b.c_str(), 0600)); });
    step([&] { return said("rename over", ::rename((a + "2").c_str(), b.c_str())); });
    step([&] { return holds(b, two); });
    step([&] { return said("unlink", ::unlink(b.c_str())); });
    step([&] { return expected_errno("unlink again", ::unlink(b.c_str()), ENOENT); });
    step([&] { return said("unlink link", ::unlink(link.c_str())); });
    step([&] { return said("unlink symlink", ::unlink(symlink.c_str())); });
    step([&] { return said("rmdir", ::rmdir(here.c_str())); });
    return steps.failed();
  };
}

BusyPrograms::Round appends(const std::string& path) {
  auto file = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  return [file](std::uint64_t number) { return write_all(file->get(), text(number, '\n')); };
}

::testing::AssertionResult is_counted(const std::string& path) {
  const std::string content = content_of(path);
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < content.size(); ++number) {
    const std::string line = text(number, '\n');
    if (content.compare(at, line.size(), line) != 0) {
      return ::testing::AssertionFailure() << "line " << number << " is \"" << content.substr(at, 20) << '"';
    }
    at += line.size();
  }
  if (number == 0) return ::testing::AssertionFailure() << "nothing was appended";
  return ::testing::AssertionSuccess();
}

BusyPrograms::Round opens(const std::string& path, const std::string& content) {
  return [path, content](std::uint64_t) {
    struct stat status{};
    return Steps()
        .then([&] { return holds(path, content); })
        .then([&] { return said("stat", ::stat(path.c_str(), &status)); })
        .failed();
  };
}

BusyPrograms::Round moves(const std::string& path, const std::string& other) {
  return [path, other](std::uint64_t) {
    return Steps()
        .then([&] { return said("rename", ::rename(path.c_str(), other.c_str())); })
        .then([&] { return said("rename back", ::rename(other.c_str(), path.c_str())); })
        .failed();
  };
}

BusyPrograms::Round reads_on(const std::string& path, const std::string& content) {
  auto file = std::make_shared<UniqueFd>(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return [file, content](std::uint64_t) {
    ::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED);
    return read_all(file->get(), content);
  };
}

BusyPrograms::Round lists(const std::string& folder, int count) {
  return [folder, count](std::uint64_t) {
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::opendir(folder.c_str()), &::closedir);
    if (!stream) return said("opendir", -1);
    int names = 0;
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): a stream of our own
    while (::readdir(stream.get()) != nullptr) ++names;
    if (errno != 0) return said("readdir", -1);
    return names == count + 2 ? std::string() : text("readdir: ", names - 2, " names of ", count);
  };
}

BusyPrograms::Round rewrites(const std::string& path) {
  return [path](std::uint64_t number) {
    const std::string content = text("content ", number);
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
    if (!file.is_open()) return said("open", -1);
    return Steps()
        .then([&] { return write_all(file.get(), content); })
        .then([&] { return said("fchmod", ::fchmod(file.get(), 0600)); })
        .then([&] { return said("ftruncate", ::ftruncate(file.get(), static_cast<off_t>(content.size()))); })
        .then([&] { return said("fsync", number % 16 == 0 ? ::fsync(file.get()) : 0); })
        .then([&] { return read_all(file.get(), content); })
        .then([&] { return holds(path, content); })
        .failed();
  };
}

}  // namespace arenacache::test
