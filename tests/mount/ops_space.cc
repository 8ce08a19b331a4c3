// SPDX-License-Identifier: Apache-2.0
// Parity cases: fallocate and its modes, lseek to data and holes.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/stat.h>
#include <unistd.h>

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

UniqueFd filled(Place& p, const char* name, std::size_t size) {
  p.make_file(name, std::string(size, 'f'));
  return UniqueFd(p.opened(name, ::open(p.at(name).c_str(), O_RDWR | O_CLOEXEC)));
}

void note_space(Place& p, const char* what, int fd) {
  struct stat status{};
  p.call("fsync", ::fsync(fd));
  p.call("fstat", ::fstat(fd, &status));
  p.note(text(what, ": size ", status.st_size, " blocks ", status.st_blocks));
}

void allocates(Place& p) {
  const UniqueFd fd = filled(p, "file", 10'000);
  p.call("plain", ::fallocate(fd.get(), 0, 5'000, 100'000));
  note_space(p, "plain", fd.get());
  p.call("keep size", ::fallocate(fd.get(), FALLOC_FL_KEEP_SIZE, 0, 1'000'000));
  note_space(p, "keep size", fd.get());
  p.note_content("file", "file");
  p.call("posix_fallocate", ::posix_fallocate(fd.get(), 200'000, 50'000));
  note_space(p, "posix_fallocate", fd.get());
  p.call("nothing", ::fallocate(fd.get(), 0, 0, 0));
  p.call("negative", ::fallocate(fd.get(), 0, -1, 10));
  const UniqueFd reading(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  p.call("read-only open", ::fallocate(reading.get(), 0, 0, 10));
}

void punches(Place& p) {
  const UniqueFd fd = filled(p, "file", 1'000'000);
  const UniqueFd reading(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  p.note_content("before", "file");
  p.call("punch", ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100'000, 300'000));
  note_space(p, "punch", fd.get());
  p.note_content("after", "file");
  std::string buffer(1000, 'x');
  p.call("an open from before", ::pread(reading.get(), buffer.data(), buffer.size(), 200'000));
  p.note(digest(buffer));
  p.call("across the end", ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 990'000, 300'000));
  p.call("without keep size", ::fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE, 0, 4096));
  p.note_content("after", "file");
}

void zeroes(Place& p) {
  const UniqueFd fd = filled(p, "file", 500'000);
  p.call("zero", ::fallocate(fd.get(), FALLOC_FL_ZERO_RANGE, 10'000, 20'000));
  p.note_content("zero", "file");
  p.call("zero beyond the end", ::fallocate(fd.get(), FALLOC_FL_ZERO_RANGE, 490'000, 50'000));
  p.note_stat("zero beyond the end", fd.get());
  p.call("zero, keep size", ::fallocate(fd.get(), FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 530'000, 50'000));
  p.note_stat("zero, keep size", fd.get());
  p.note_content("zero", "file");
}

void data_and_holes(Place& p) {
  const UniqueFd fd(p.opened("file", ::open(p.at("file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
  const std::string island(8192, 'i');
  p.call("truncate", ::ftruncate(fd.get(), 8 << 20));
  p.call("island", ::pwrite(fd.get(), island.data(), island.size(), 1 << 20));
  p.call("island", ::pwrite(fd.get(), island.data(), island.size(), 5 << 20));
  p.call("fsync", ::fsync(fd.get()));
  const UniqueFd reading(::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC));
  for (const int descriptor : {fd.get(), reading.get()}) {
    for (const off_t from : {0, 1 << 20, (1 << 20) + 8192, 6 << 20, 8 << 20}) {
      p.call(text("data from ", from), ::lseek(descriptor, from, SEEK_DATA));
      p.call(text("hole from ", from), ::lseek(descriptor, from, SEEK_HOLE));
    }
    p.call("beyond", ::lseek(descriptor, 9 << 20, SEEK_DATA));
    p.call("bad whence", ::lseek(descriptor, 0, 99));
  }
}

}  // namespace

std::vector<ParityCase> space_cases() {
  return {{"Allocates", allocates}, {"Punches", punches}, {"Zeroes", zeroes}, {"DataAndHoles", data_and_holes}};
}

}  // namespace arenacache::test
