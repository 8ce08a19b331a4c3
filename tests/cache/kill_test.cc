// SPDX-License-Identifier: Apache-2.0
// The engine under SIGKILL: a child reads, fills, evicts and writes until it is killed in the middle of it; then every byte is
// compared, and nothing is left in the store that no object has. ARENACACHE_TEST_LONG=1 kills a thousand times.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "cache/engine_fixture.h"
#include "support/lender.h"
#include "support/store_files.h"

namespace arenacache::cache {
namespace {

constexpr std::size_t kSize = 3 * kMiB + 99;
constexpr int kFiles = 6;

int kills() {
  return std::getenv("ARENACACHE_TEST_LONG") != nullptr ? 1000
         : ARENACACHE_IS_SANITIZED                      ? 5
                                                        : 12;  // NOLINT(concurrency-mt-unsafe)
}

/// One life of an engine over folders that outlive it.
class Life {
 public:
  Life(const config::Config& config, const std::string& folder) : config_(config) {
    base::UniqueFd directory(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const auto facts = test::must(origin::ask_source(directory.get()));
    origin_ = std::make_shared<origin::LocalOrigin>(std::move(directory), facts, config::FidelityChoice::path);
    guard_ = std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), clock_, origin::GuardLimits{});
    engine_ =
        test::must(Engine::create(config, {.clock = clock_, .io = io_, .background = pool_, .page_cache = pages_}));
    source_ = engine_->add_source(config_.mounts[0], guard_);
    engine_->start();
  }
  ~Life() {
    guard_->stop();
    engine_->stop();
    pool_.stop();
    engine_->check_invariants();
  }
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] SourceId source() const { return source_; }
  FileRef ref(const std::string& path) {
    return {.source = source_, .path = path, .version = origin::version_of(test::must(origin_->stat(path)))};
  }
  std::string read(const std::string& path, std::uint64_t offset, std::size_t length) {
    const auto reader = engine_->open({.file = ref(path), .pid = 0, .has_writer = false, .caller = nullptr});
    reader->note_opened(false);
    std::string bytes;
    while (bytes.size() < length) {
      Answer answer;
      reader->read(offset + bytes.size(), std::min<std::size_t>(length - bytes.size(), 512 * base::kKiB),
                   answer.done());
      const std::string part = answer.bytes();
      if (part.empty()) break;
      bytes += part;
    }
    return bytes;
  }

 private:
  const config::Config config_;
  base::SystemClock clock_;
  base::PosixFileIo io_;
  test::FakePageCache pages_;
  base::ThreadPool pool_{"background", 3};
  std::shared_ptr<origin::Origin> origin_;
  test::Lender lender_;
  std::shared_ptr<origin::GuardedOrigin> guard_;
  std::unique_ptr<Engine> engine_;
  SourceId source_{};
};

std::string name_of(std::uint64_t file) { return "m" + std::to_string(file % kFiles); }

/// Other bytes in the same file, of the same size and mtime: only the index knows that the stored ones are old.
void overwrite(Life& life, const std::string& folder, const std::string& name, std::uint64_t seed) {
  const base::UniqueFd fd(::open((folder + "/" + name).c_str(), O_WRONLY | O_CLOEXEC));
  struct stat before{};
  AC_CHECK(::fstat(fd.get(), &before) == 0);
  const auto writer = life.engine().open_for_writing(life.ref(name));
  writer->before_data_change();
  const std::string bytes(300'000, static_cast<char>(seed));
  AC_CHECK(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(seed % (kSize - bytes.size()))) > 0);
  const std::array<timespec, 2> times{before.st_mtim, before.st_mtim};
  AC_CHECK(::futimens(fd.get(), times.data()) == 0);
}

/// What the child does until it is killed; a byte to `pipe` after each deed.
[[noreturn]] void work(const config::Config& config, const std::string& folder, int pipe, std::uint64_t seed) {
  Life life(config, folder);
  std::mt19937_64 random(seed);
  for (;;) {
    const std::string name = name_of(random());
    switch (random() % 6) {
      case 0:
        life.engine().evict(life.source(), name);
        break;
      case 1:
        overwrite(life, folder, name, random());
        break;
      case 2:
        life.read(name, random() % kSize, 100);
        break;
      default:
        life.read(name, 0, kSize);
        break;
    }
    if (::write(pipe, "d", 1) != 1) ::_exit(1);
  }
}

class KillTest : public ::testing::Test {
 protected:
  KillTest() {
    std::mt19937_64 random(1);
    for (int file = 0; file < kFiles; ++file) {
      std::string content(kSize, '\0');
      for (std::size_t at = 0; at < kSize; at += 512) content[at] = static_cast<char>(random());
      dir_.write_file("source/" + name_of(static_cast<std::uint64_t>(file)), content);
    }
    folder_ = dir_.path("source");
    config_.store.path = dir_.path("store");
    config_.store.capacity = {.bytes = 64 * kMiB, .percent = 0};
    config_.store.keep_free = {.bytes = 0, .percent = 0};
    config_.cache.settle = std::chrono::nanoseconds(0);
    config_.cache.min_size = 0;
    config_.mounts = {{.name = "models",
                       .source = folder_,
                       .mountpoint = folder_,
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
  }

  /// A child that was killed after `deeds` deeds, in the middle of the next.
  void live_and_die(int deeds, std::uint64_t seed) const {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    const base::UniqueFd read_end(ends[0]);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) work(config_, folder_, ends[1], seed);
    ::close(ends[1]);
    char deed = 0;
    for (int done = 0; done < deeds; ++done) EXPECT_EQ(::read(read_end.get(), &deed, 1), 1) << "the child ended";
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFSIGNALED(status));
  }
  void expect_sound() const {
    Life life(config_, folder_);
    std::vector<std::string> stored;
    for (const auto& object : life.engine().list(life.source(), "")) stored.push_back(object.path);
    EXPECT_EQ(test::raw_files(config_.store.path).size(), stored.size()) << "nothing is lost in the store";
    EXPECT_EQ(test::raw_files(config_.store.path, true).size(), stored.size());
    for (std::uint64_t file = 0; file < kFiles; ++file) {
      EXPECT_TRUE(life.read(name_of(file), 0, kSize) == dir_.read_file("source/" + name_of(file))) << name_of(file);
    }
    EXPECT_EQ(life.engine().stats().checksum_errors, 0U);
  }

  test::TempDir dir_;
  std::string folder_;
  config::Config config_;
};

TEST_F(KillTest, AKillAtAnyInstantCostsNoByteAndNoSpace) {
  std::mt19937_64 random(static_cast<std::uint64_t>(::testing::UnitTest::GetInstance()->random_seed()));
  for (int kill = 0; kill < kills() && !HasFailure(); ++kill) {
    SCOPED_TRACE(base::text("kill ", kill));
    live_and_die(1 + static_cast<int>(random() % 30), random());
    expect_sound();
  }
}

}  // namespace
}  // namespace arenacache::cache
