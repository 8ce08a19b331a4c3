// SPDX-License-Identifier: Apache-2.0
// Random reads, writes, truncates, holes, copies and mapped access on one file, against a model in memory (after fsx, by
// Apple and NeXT: the idea, none of the code). A failure prints the seed and the last steps.
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/test_mount.h"
#include "support/temp_dir.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;

constexpr std::size_t kLargest = 5 << 20;
constexpr std::size_t kLongest = 300'000;
constexpr std::size_t kPageBytes = 4096;

class Fsx {
 public:
  Fsx(std::string path, std::uint64_t seed) : path_(std::move(path)), random_(seed) { reopen(); }

  /// False when the file and the model differ; what() says how.
  bool step() {
    using Deed = bool (Fsx::*)();
    static constexpr std::array<Deed, 17> kDeeds{
        &Fsx::read,        &Fsx::read,        &Fsx::read,        &Fsx::read_other,   &Fsx::write,
        &Fsx::write,       &Fsx::mapped_read, &Fsx::mapped_read, &Fsx::mapped_write, &Fsx::mapped_write,
        &Fsx::cut_or_grow, &Fsx::cut_or_grow, &Fsx::punch,       &Fsx::copy,         &Fsx::sync,
        &Fsx::drop_pages,  &Fsx::reopen};
    return (this->*kDeeds.at(below(kDeeds.size())))();
  }

  bool whole_file_is_right() {
    note("whole file");
    return same_size() && compare(0, model_.size(), fd_.get());
  }

  [[nodiscard]] std::string history() const {
    std::string out;
    for (std::size_t at = lines_.size() > 40 ? lines_.size() - 40 : 0; at < lines_.size(); ++at)
      out += lines_[at] + "\n";
    return out;
  }

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }
  void note(std::string line) { lines_.push_back(std::move(line)); }
  bool wrong(std::string line) {
    note("WRONG: " + std::move(line));
    return false;
  }

  /// A range that lies in the file; empty when the file is.
  std::pair<std::size_t, std::size_t> range_inside() {
    if (model_.empty()) return {0, 0};
    const std::size_t offset = below(model_.size());
    return {offset, 1 + below(std::min(kLongest, model_.size() - offset))};
  }

  std::string fresh_bytes(std::size_t length) {
    std::string out(length, static_cast<char>('a' + below(26)));
    for (std::size_t at = 0; at < length; at += 61) out[at] = static_cast<char>(random_());
    return out;
  }

  bool same_size() {
    struct stat status{};
    if (::fstat(fd_.get(), &status) != 0) return wrong(text("fstat: ", std::strerror(errno)));
    if (static_cast<std::size_t>(status.st_size) == model_.size()) return true;
    return wrong(text("size ", status.st_size, ", not ", model_.size()));
  }

  bool compare(std::size_t offset, std::size_t length, int fd) {
    std::string buffer(length + 1, '\0');
    const ssize_t got = ::pread(fd, buffer.data(), length, static_cast<off_t>(offset));
    if (got != static_cast<ssize_t>(length)) return wrong(text("pread gave ", got, ": ", std::strerror(errno)));
    return same_bytes(offset, length, buffer.data());
  }

  bool same_bytes(std::size_t offset, std::size_t length, const char* bytes) {
    if (std::memcmp(bytes, model_.data() + offset, length) == 0) return true;
    const auto place = std::mismatch(bytes, bytes + length, model_.data() + offset).first - bytes;
    return wrong(text("first wrong byte at ", offset + static_cast<std::size_t>(place)));
  }

  bool read() {
    const auto [offset, length] = range_inside();
    note(text("read ", length, " at ", offset));
    return compare(offset, length, fd_.get());
  }

  bool read_other() {
    const auto [offset, length] = range_inside();
    note(text("read ", length, " at ", offset, " by the read-only open"));
    return compare(offset, length, reading_.get());
  }

  bool write() {
    const std::size_t offset = below(kLargest - kLongest);
    const std::string bytes = fresh_bytes(1 + below(kLongest));
    note(text("write ", bytes.size(), " at ", offset));
    if (::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(bytes.size())) {
      return wrong(text("pwrite: ", std::strerror(errno)));
    }
    model_.resize(std::max(model_.size(), offset + bytes.size()));
    bytes.copy(model_.data() + offset, bytes.size());
    return same_size();
  }

  bool mapped_read() {
    const auto [offset, length] = range_inside();
    note(text("mapped read ", length, " at ", offset));
    return length == 0 ||
           with_mapping(offset, length, PROT_READ, [&](char* bytes) { return same_bytes(offset, length, bytes); });
  }

  bool mapped_write() {
    const auto [offset, length] = range_inside();
    const bool is_synced = below(2) == 0;
    note(text("mapped write ", length, " at ", offset, is_synced ? " and msync" : ""));
    if (length == 0) return true;
    const std::string bytes = fresh_bytes(length);
    bytes.copy(model_.data() + offset, length);
    return with_mapping(offset, length, PROT_READ | PROT_WRITE, [&](char* mapped) {
      bytes.copy(mapped, length);
      char* const page = mapped - offset % kPageBytes;
      return !is_synced || ::msync(page, length + offset % kPageBytes, MS_SYNC) == 0 ||
             wrong(text("msync: ", std::strerror(errno)));
    });
  }

  template <class Deed>
  bool with_mapping(std::size_t offset, std::size_t length, int protection, const Deed& deed) {
    const std::size_t slack = offset % kPageBytes;
    void* const got =
        ::mmap(nullptr, length + slack, protection, MAP_SHARED, fd_.get(), static_cast<off_t>(offset - slack));
    if (got == MAP_FAILED) return wrong(text("mmap: ", std::strerror(errno)));
    const bool is_right = deed(static_cast<char*>(got) + slack);
    ::munmap(got, length + slack);
    return is_right;
  }

  bool cut_or_grow() {
    const std::size_t size = below(kLargest);
    note(text("truncate ", size));
    if (::ftruncate(fd_.get(), static_cast<off_t>(size)) != 0) return wrong(text("ftruncate: ", std::strerror(errno)));
    model_.resize(size);
    return same_size();
  }

  bool punch() {
    const auto [offset, length] = range_inside();
    note(text("punch ", length, " at ", offset));
    if (length == 0) return true;
    if (::fallocate(fd_.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                    static_cast<off_t>(length)) != 0) {
      return wrong(text("fallocate: ", std::strerror(errno)));
    }
    std::fill_n(model_.begin() + static_cast<std::ptrdiff_t>(offset), length, '\0');
    return same_size();
  }

  bool copy() {
    const auto [offset, length] = range_inside();
    const std::size_t to = below(kLargest - kLongest);
    if (length == 0 || (to < offset + length && offset < to + length)) return true;
    note(text("copy ", length, " from ", offset, " to ", to));
    off64_t in = static_cast<off64_t>(offset), out = static_cast<off64_t>(to);
    const ssize_t done = ::copy_file_range(fd_.get(), &in, fd_.get(), &out, length, 0);
    if (done <= 0) return wrong(text("copy_file_range: ", done, " ", std::strerror(errno)));
    const auto copied = static_cast<std::size_t>(done);
    model_.resize(std::max(model_.size(), to + copied));
    std::memcpy(model_.data() + to, model_.data() + offset, copied);
    return same_size();
  }

  bool sync() {
    note("fsync");
    return ::fsync(fd_.get()) == 0 || wrong(text("fsync: ", std::strerror(errno)));
  }

  /// Lets the next reads reach the daemon.
  bool drop_pages() {
    note("drop pages");
    return ::fsync(fd_.get()) == 0 && ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_DONTNEED) == 0;
  }

  bool reopen() {
    note("reopen");
    fd_ = UniqueFd(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
    reading_ = UniqueFd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    return (fd_.is_open() && reading_.is_open()) || wrong(text("open: ", std::strerror(errno)));
  }

  std::string path_;
  std::mt19937_64 random_;
  std::string model_;
  UniqueFd fd_;
  UniqueFd reading_;
  std::vector<std::string> lines_;
};

void run_fsx(const std::string& path) {
  constexpr int kSteps = ARENACACHE_IS_SANITIZED ? 1000 : 3000;
  const int given = ::testing::UnitTest::GetInstance()->random_seed();
  const std::uint64_t seed = given != 0 ? static_cast<std::uint64_t>(given) : std::random_device()();
  Fsx fsx(path, seed);
  for (int step = 0; step < kSteps; ++step) {
    ASSERT_TRUE(fsx.step()) << "step " << step << ", --gtest_random_seed=" << seed << "\n" << fsx.history();
  }
  EXPECT_TRUE(fsx.whole_file_is_right()) << "--gtest_random_seed=" << seed << "\n" << fsx.history();
}

TEST(SelfFsx, PlainFile) {
  const TempDir dir;
  run_fsx(dir.path("file"));
}

class FsxTest : public MountTest {
 protected:
  static void run(MountOptions options) {
    TestMount mount(std::move(options));
    ASSERT_NO_FATAL_FAILURE(mount.start());
    run_fsx(mount.at("file"));
  }
};

TEST_F(FsxTest, FileOfAMount) { run({.flags = {{"--cache-min-size", "1"}}}); }

TEST_F(FsxTest, FileOfAMirrorWithoutCache) { run({.flags = {{"--cache-mode", "off"}}}); }

}  // namespace
}  // namespace arenacache::test
