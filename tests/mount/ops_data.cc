// SPDX-License-Identifier: Apache-2.0
// Parity cases: read, write, sync, copy_file_range, large and sparse files.
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/parity.h"
#include "mount/patterns.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr off_t kBeyond4GiB = (off_t{5} << 30) + 123;

UniqueFd make_open(Place& p, const char* name) {
  return UniqueFd(p.opened(name, ::open(p.at(name).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)));
}

void write_all(Place& p, int fd, std::uint64_t offset, std::size_t length, std::uint64_t version) {
  const auto bytes = pattern_bytes(offset, length, Pattern{version});
  p.call(text("write ", length, " at ", offset), ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)));
}

void reads_and_writes(Place& p) {
  const UniqueFd fd = make_open(p, "file");
  write_all(p, fd.get(), 0, 3'000'001, 1);
  write_all(p, fd.get(), 999'999, 7, 2);
  write_all(p, fd.get(), 1'048'570, 12, 3);
  write_all(p, fd.get(), 5'000'000, 1, 4);
  p.note_content("file", "file");
  std::array<char, 64> buffer{};
  p.call("read at the end", ::pread(fd.get(), buffer.data(), buffer.size(), 5'000'001));
  p.call("read beyond", ::pread(fd.get(), buffer.data(), buffer.size(), 6'000'000));
  p.call("read across the end", ::pread(fd.get(), buffer.data(), buffer.size(), 4'999'990));
  p.call("read nothing", ::pread(fd.get(), buffer.data(), 0, 0));
  p.call("write nothing", ::pwrite(fd.get(), buffer.data(), 0, 9'000'000));
  p.call("negative", ::pread(fd.get(), buffer.data(), 1, -1));
  p.call("seek to the end", ::lseek(fd.get(), 0, SEEK_END));
  p.call("seek before the start", ::lseek(fd.get(), -1, SEEK_SET));
  p.note_stat("file", fd.get());
}

void vectors(Place& p) {
  const UniqueFd fd = make_open(p, "file");
  std::string one = "first ", two = "second ", three = "third";
  const std::array<iovec, 3> parts{iovec{one.data(), one.size()}, iovec{two.data(), two.size()},
                                   iovec{three.data(), three.size()}};
  p.call("pwritev", ::pwritev(fd.get(), parts.data(), parts.size(), 2));
  p.call("preadv", ::preadv(fd.get(), parts.data(), parts.size(), 0));
  p.note(text(digest(one), digest(two), digest(three)));
}

void syncs(Place& p) {
  const UniqueFd fd = make_open(p, "file");
  p.call("write", ::write(fd.get(), "abc", 3));
  p.call("fsync", ::fsync(fd.get()));
  p.call("fdatasync", ::fdatasync(fd.get()));
  p.call("syncfs", ::syncfs(fd.get()));
  p.call("range", ::sync_file_range(fd.get(), 0, 3, SYNC_FILE_RANGE_WRITE));
  const UniqueFd folder(p.opened("folder", ::open(p.root().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  p.call("fsync of a folder", ::fsync(folder.get()));
  p.call("fdatasync of a folder", ::fdatasync(folder.get()));
  const UniqueFd reading(p.opened("reading", ::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC)));
  p.call("fsync of a read-only open", ::fsync(reading.get()));
  const UniqueFd synchronous(p.opened("O_SYNC", ::open(p.at("file").c_str(), O_WRONLY | O_SYNC | O_CLOEXEC)));
  p.call("write", ::pwrite(synchronous.get(), "x", 1, 1));
  p.note_content("file", "file");
}

void copies_in_the_kernel(Place& p) {
  const UniqueFd from = make_open(p, "from");
  const UniqueFd to = make_open(p, "to");
  write_all(p, from.get(), 0, 2'500'000, 5);
  off64_t in = 1000, out = 50;
  p.call("copy_file_range", ::copy_file_range(from.get(), &in, to.get(), &out, 2'000'000, 0));
  p.note(text("places ", in, " ", out));
  p.note_content("to", "to");
  in = 2'499'990;
  p.call("across the end", ::copy_file_range(from.get(), &in, to.get(), &out, 1000, 0));
  in = 3'000'000;
  p.call("beyond the end", ::copy_file_range(from.get(), &in, to.get(), &out, 1000, 0));
  in = 0, out = 2'600'000;
  p.call("within one file", ::copy_file_range(from.get(), &in, from.get(), &out, 1000, 0));
  in = 0, out = 100;
  p.call("overlapping", ::copy_file_range(from.get(), &in, from.get(), &out, 1000, 0));
  p.call("flags", ::copy_file_range(from.get(), &in, to.get(), &out, 10, 1));
  p.note_content("from", "from");
  p.note_content("to", "to");
  const UniqueFd reading(::open(p.at("to").c_str(), O_RDONLY | O_CLOEXEC));
  p.call("into a read-only open", ::copy_file_range(from.get(), nullptr, reading.get(), nullptr, 10, 0));
  off_t place = 0;
  const UniqueFd sent = make_open(p, "sent");
  p.call("sendfile", ::sendfile(sent.get(), from.get(), &place, 300'000));
  p.note_content("sent", "sent");
}

void beyond_4_gib(Place& p) {
  const UniqueFd fd = make_open(p, "big");
  p.call("write", ::pwrite(fd.get(), "beyond", 6, kBeyond4GiB));
  p.note_stat("big", "big");
  std::array<char, 16> buffer{};
  p.call("read", ::pread(fd.get(), buffer.data(), buffer.size(), kBeyond4GiB - 3));
  p.note(digest({buffer.data(), buffer.size()}));
  p.call("read at 4 GiB", ::pread(fd.get(), buffer.data(), buffer.size(), (off_t{1} << 32) - 8));
  p.note(digest({buffer.data(), buffer.size()}));
  p.call("seek", ::lseek(fd.get(), 0, SEEK_END));
  p.call("truncate", ::ftruncate(fd.get(), (off_t{1} << 32) + 1));
  p.note_stat("big", "big");
  p.call("too far", ::ftruncate(fd.get(), std::numeric_limits<off_t>::max()));
  p.call("small again", ::ftruncate(fd.get(), 10));  // the tree is read whole at the end
}

void sparse(Place& p) {
  const UniqueFd fd = make_open(p, "sparse");
  p.call("truncate", ::ftruncate(fd.get(), 64 << 20));
  p.call("write", ::pwrite(fd.get(), "island", 6, 32 << 20));
  p.call("fsync", ::fsync(fd.get()));
  struct stat status{};
  p.call("stat", ::fstat(fd.get(), &status));
  p.note(text("takes ", status.st_blocks, " blocks of ", status.st_blksize));
  std::vector<char> buffer(8192, 'x');
  p.call("read of a hole", ::pread(fd.get(), buffer.data(), buffer.size(), 1 << 20));
  p.note(digest({buffer.data(), buffer.size()}));
  p.note_content("sparse", "sparse");
}

void one_writer_beside_readers(Place& p) {
  const UniqueFd writing = make_open(p, "file");
  write_all(p, writing.get(), 0, 1 << 20, 7);
  const UniqueFd reading(p.opened("reading", ::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC)));
  std::string buffer(4096, '\0');
  for (off_t round = 0; round < 50; ++round) {
    const std::string word = text("round ", round);
    p.call("write", ::pwrite(writing.get(), word.data(), word.size(), round * 20'000));
    p.call("read", ::pread(reading.get(), buffer.data(), buffer.size(), round * 20'000));
    p.note(digest(buffer.substr(0, word.size())));
  }
  p.elsewhere([](Place& there) {
    const UniqueFd other(::open(there.at("file").c_str(), O_WRONLY | O_CLOEXEC));
    there.call("write by another process", ::pwrite(other.get(), "elsewhere", 9, 100));
  });
  p.call("read", ::pread(reading.get(), buffer.data(), 9, 100));
  p.note(digest(buffer.substr(0, 9)));
}

void written_while_reading_in_order(Place& p) {
  const UniqueFd writing = make_open(p, "file");
  const UniqueFd reading(p.opened("reading", ::open(p.at("file").c_str(), O_RDONLY | O_CLOEXEC)));
  std::vector<char> buffer(100'000);
  for (std::uint64_t round = 0; round < 30; ++round) {
    write_all(p, writing.get(), round * 70'000, 70'000, round);
    p.call("read", ::read(reading.get(), buffer.data(), buffer.size()));
    p.note_stat("grows", reading.get());
  }
  p.call("end", ::read(reading.get(), buffer.data(), buffer.size()));
  p.note_content("file", "file");
}

void advice(Place& p) {
  const UniqueFd fd = make_open(p, "file");
  write_all(p, fd.get(), 0, 1 << 20, 9);
  p.call("will need", ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_WILLNEED));
  p.call("readahead", ::readahead(fd.get(), 0, 1 << 20));
  p.call("fsync", ::fsync(fd.get()));
  p.call("not needed", ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED));
  p.note_content("file", "file");
}

void executed(Place& p) {
  p.make_file("script", "#!/bin/sh\nexit 7\n", 0755);
  const int status =
      std::system(p.at("script").c_str());  // NOLINT(concurrency-mt-unsafe,cert-env33-c): one thread here
  p.note(text("exit ", status >> 8));
  p.call("chmod", ::chmod(p.at("script").c_str(), 0644));
  p.call("access", ::access(p.at("script").c_str(), X_OK));
}

}  // namespace

std::vector<ParityCase> data_cases() {
  return {{"ReadsAndWrites", reads_and_writes},
          {"Vectors", vectors},
          {"Syncs", syncs},
          {"CopiesInTheKernel", copies_in_the_kernel},
          {"Beyond4GiB", beyond_4_gib},
          {"Sparse", sparse},
          {"OneWriterBesideReaders", one_writer_beside_readers},
          {"WrittenWhileReadingInOrder", written_while_reading_in_order},
          {"Advice", advice},
          {"Executed", executed}};
}

}  // namespace arenacache::test
