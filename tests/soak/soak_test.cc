// SPDX-License-Identifier: Apache-2.0
// Programs that read, write and rename, files that change behind the mount, evictions, modes, kills and a source that is cut off,
// all at once, against a model of what each of them may see; and what the daemon takes of the machine stays what it was.
// ARENACACHE_TEST_SOAK=2h: how long each test goes on. A failure prints its seed; --gtest_random_seed=N draws the same again.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/base/units.h"
#include "mount/busy_programs.h"
#include "mount/model_folder.h"
#include "mount/parity.h"
#include "mount/resources.h"
#include "mount/worker_life.h"
#include "soak/disturber.h"
#include "soak/ground.h"
#include "soak/moved_file.h"
#include "soak/replaced_file.h"
#include "soak/written_file.h"
#include "support/matchers.h"

namespace arenacache::test {
namespace {

using base::text;
using base::UniqueFd;
using namespace std::chrono_literals;

constexpr bool kIsSanitized = ARENACACHE_IS_SANITIZED;
constexpr std::uint64_t kCapacity = 40 * kMiB;  ///< half of what is read
/// Longer than a busy machine may take for a call; outages that are longer come in long runs only.
constexpr const char* kOriginTimeout = "20s";
constexpr int kNames = 500;
/// How much more a process may hold after a season than after the warm-up: a leak takes more, in hours at the latest. Pools of
/// threads grow to what they needed at once.
constexpr Resources kMoreOfKeeper{.memory_mib = 2, .descriptors = 0, .threads = 0};
constexpr Resources kMoreOfWorker{.memory_mib = 24, .descriptors = 8, .threads = 12};

Clock::duration duration() {
  const char* const given = std::getenv("ARENACACHE_TEST_SOAK");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  if (given != nullptr) return must(base::parse_duration(given));
  return kIsSanitized ? 30s : 60s;
}

std::uint64_t given_seed() {
  const int given = ::testing::UnitTest::GetInstance()->random_seed();
  return given != 0 ? static_cast<std::uint64_t>(given) : std::random_device()() % 99'999 + 1;
}

/// What the daemon takes while nobody uses it.
struct Rest {
  Resources keeper, worker;
  pid_t worker_pid = -1;
};

class SoakTest : public ModelTest {
 protected:
  void SetUp() override {
    ModelTest::SetUp();
    std::printf("--gtest_random_seed=%llu\n", static_cast<unsigned long long>(seed_));
  }

  static MountOptions options(const std::string& source) {
    return {.flags = {{"--daemon-crash-window", "0s"}, {"--origin-timeout", kOriginTimeout}},
            .capacity = std::to_string(kCapacity),
            .source = source,
            .watchdog = watchdog()};
  }
  static std::chrono::seconds watchdog() { return std::chrono::ceil<std::chrono::seconds>(duration()) + 200s; }

  /// All of it, on a mount of any source.
  void soak(TestMount& mount, const TestMount* nas);

  void make_files(TestMount& mount);
  void start_programs(BusyPrograms& programs);
  void run_season(const char* name, Clock::duration length, Disturber& disturber, bool may_kill);
  void wait_for_rest() const;
  [[nodiscard]] Rest sample() const;
  void expect_flat(const Rest& before) const;
  void expect_right_in_the_end() const;
  std::uint64_t draw() { return draw_(); }

  const std::uint64_t seed_ = given_seed();
  Random draw_{seed_};
  std::unique_ptr<Ground> ground_;
  std::vector<Model> models_;
  std::vector<std::unique_ptr<ReplacedFile>> replaced_;
  std::vector<std::unique_ptr<WrittenFile>> written_;
  std::unique_ptr<MovedFile> moved_;
  int seasons_ = 0;
};

void SoakTest::make_files(TestMount& mount) {
  constexpr std::uint64_t kFirst = 10;  // numbers of files; each has 2^18 versions
  const auto pattern = [](std::uint64_t number) { return Pattern{number << 18U}; };
  for (const std::uint64_t number : {1U, 2U, 3U}) {
    models_.push_back(add_model(mount, text("still-", number), (4 + number) * kMiB + 12'345, pattern(number)));
  }
  for (const std::uint64_t number : {0U, 1U, 2U}) {
    const std::uint64_t size = number == 0 ? kMiB : (4 + number) * kMiB;
    replaced_.push_back(std::make_unique<ReplacedFile>(*ground_, text("replaced-", number), kFirst + number, size));
  }
  for (const std::uint64_t number : {0U, 1U}) {
    const std::uint64_t size = number == 0 ? 2 * kMiB : 6 * kMiB;
    written_.push_back(std::make_unique<WrittenFile>(*ground_, text("written-", number), 2 * kFirst + number, size));
  }
  moved_ = std::make_unique<MovedFile>(*ground_, "moved", 3 * kFirst, 5 * kMiB);
  ASSERT_EQ(::mkdir(mount.from("listed").c_str(), 0755), 0);
  make_entries(mount.from("listed"), kNames);
}

BusyPrograms::Round loads(const Model& model, std::uint64_t seed) {
  auto random = std::make_shared<Random>(seed);
  return [model, random](std::uint64_t) {
    const UniqueFd file(::open(model.path.c_str(), O_RDONLY | O_CLOEXEC));
    if (is_one_in(*random, 2)) ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
    const auto verdict = [&] {
      switch (below(*random, 5)) {
        case 0:
          return load_direct(model);
        case 1:
          return load_mapped(model);
        case 2:
          return load_slices(model);
        case 3:
          return peek(model, model.size / 2, kPage);
        default:
          return load_in_order(model);
      }
    }();
    return verdict ? std::string() : text(model.path, ": ", std::string(verdict.message()));
  };
}

void SoakTest::start_programs(BusyPrograms& programs) {
  Ground& ground = *ground_;
  for (const auto& file : replaced_) {
    programs.add(file->changes(draw()));
    programs.add(file->reads(draw()));
  }
  programs.add(replaced_.back()->reads(draw()));
  for (const auto& file : written_) {
    programs.add(file->writes(draw()));
    for (int reader = 0; reader < 2; ++reader) programs.add(file->reads(draw()));
  }
  programs.add(moved_->moves(draw()));
  for (int user = 0; user < 2; ++user) programs.add(moved_->uses(draw()));
  for (const Model& model : models_) programs.add(may_time_out(ground, "load", loads(model, draw())));
  const std::string folder = text("names-", ++seasons_);
  AC_CHECK(::mkdir(ground.mount.from(folder).c_str(), 0755) == 0);
  programs.add(may_time_out(ground, "25 calls on names", changes_names(ground.mount.at(folder))));
  programs.add(may_time_out(ground, "long listing", lists(ground.mount.at("listed"), kNames)));
  programs.add(may_time_out(ground, "6 calls on one file", rewrites(ground.mount.at(text("rewritten-", seasons_)))));
  const std::string log = ground.mount.at(text("log-", seasons_));
  programs.add([&ground, append = appends(log)](std::uint64_t number) {
    return ground.calls.timed("append", [&] { return append(number); });
  });
}

void SoakTest::run_season(const char* name, Clock::duration length, Disturber& disturber, bool may_kill) {
  SCOPED_TRACE(name);
  BusyPrograms programs;
  start_programs(programs);
  const Time end = Clock::now() + length;
  while (Clock::now() < end && !programs.has_failed() && !HasFailure()) disturber.disturb(programs, may_kill);
  EXPECT_TRUE(programs.stop());
  EXPECT_TRUE(is_counted(ground_->mount.from(text("log-", seasons_))));
}

/// The store's files and its objects, a line each.
std::string contents_of_store(const TestMount& mount) {
  std::string out;
  for (const std::string& path : mount.store_files()) {
    struct stat status{};
    const bool is_there = ::stat(path.c_str(), &status) == 0;
    out += text("  ", path.substr(mount.store().size()), ": ", is_there ? status.st_blocks * 512 : -1, " bytes\n");
  }
  for (const Object& object : mount.client().list()) {
    out +=
        text("  ", object.path, ": ", object.state, ", ", object.cached_bytes, " of ", object.size_bytes, " bytes\n");
  }
  return out;
}

void SoakTest::wait_for_rest() const {
  TestMount& mount = ground_->mount;
  EXPECT_NE(ground_->set_mode("active"), "");
  mount.wait_idle();
  EXPECT_TRUE(TestMount::wait_for(
      [&] {
        const Stats stats = mount.stats();
        return stats.health == "up" && stats.lost_threads == 0 &&
               allocated_below(mount.store()) <= stats.used_bytes + kIndexGrowth;
      },
      30s))
      << "of " << allocated_below(mount.store()) << " bytes in the store it knows of " << mount.stats().used_bytes
      << ":\n"
      << contents_of_store(mount);
}

Rest SoakTest::sample() const {
  const pid_t worker = worker_of(ground_->mount);
  return {.keeper = resources_of(ground_->mount.daemon().pid()), .worker = resources_of(worker), .worker_pid = worker};
}

void SoakTest::expect_flat(const Rest& before) const {
  wait_for_rest();
  Rest after;
  const auto is_flat = [&] {
    after = sample();
    const bool is_same_life = after.worker_pid == before.worker_pid;  // else its pools begin anew
    return after.keeper.is_within(before.keeper, kMoreOfKeeper) &&
           (!is_same_life || after.worker.is_within(before.worker, kMoreOfWorker));
  };
  const bool is_back = TestMount::wait_for(is_flat, 30s);
  std::ostringstream told;
  told << "keeper: " << before.keeper << ", then " << after.keeper << "; worker: " << before.worker << ", then "
       << after.worker;
  std::printf("%s\n", told.str().c_str());
  EXPECT_TRUE(is_back) << told.str();
}

void SoakTest::expect_right_in_the_end() const {
  const TestMount& mount = ground_->mount;
  for (const auto& file : replaced_) {
    EXPECT_TRUE(TestMount::wait_for([&] { return file->is_seen(); }, 30s)) << file->name();
  }
  for (const auto& file : written_) EXPECT_TRUE(file->is_seen());
  for (const Model& model : models_) EXPECT_TRUE(load_direct(model));
  EXPECT_EQ(first_difference(snapshot(mount.mountpoint()), snapshot(mount.source())), "");
  const Finished scrub = mount.cli({"scrub", "--wait"});
  EXPECT_EQ(scrub.exit_code, 0) << scrub.output;
  EXPECT_EQ(mount.stats().checksum_errors, 0U);
}

void SoakTest::soak(TestMount& mount, const TestMount* nas) {
  SCOPED_TRACE(text("--gtest_random_seed=", seed_));
  ground_ = std::make_unique<Ground>(mount);
  ASSERT_NO_FATAL_FAILURE(make_files(mount));
  ASSERT_NO_FATAL_FAILURE(mount.start());
  std::vector<std::string> paths;
  for (const Model& model : models_) paths.push_back(model.path);
  for (const auto& file : replaced_) paths.push_back(mount.at(file->name()));
  for (const char* name : {"written-0", "written-1", "moved-here", "moved-there"}) paths.push_back(mount.at(name));
  const bool is_long = duration() >= 5min;
  Disturber disturber(*ground_, {.files = std::move(paths), .nas = nas, .is_long = is_long, .seed = draw()});
  for (const bool may_kill : {true, false}) {
    run_season("warm-up", duration() / 8, disturber, may_kill);
    if (HasFailure()) break;
    wait_for_rest();
    const Rest before = sample();
    run_season("season", duration() * 3 / 8, disturber, may_kill);
    if (HasFailure()) break;
    expect_flat(before);
    EXPECT_TRUE(may_kill || sample().worker_pid == before.worker_pid);
  }
  std::printf("%s\n", ground_->calls.summary().c_str());
  if (!HasFailure()) expect_right_in_the_end();
}

TEST_F(SoakTest, OnALocalFolder) {
  TestMount mount(options({}));
  soak(mount, nullptr);
}

TEST_F(SoakTest, OnASourceThatIsCutOffAgainAndAgain) {
  TestMount nas({.flags = {{"--cache-mode", "off"}, {"--cache-metadata-ttl", "0s"}, {"--fuse-passthrough", "off"}},
                 .watchdog = watchdog() + 10s});
  ASSERT_NO_FATAL_FAILURE(nas.start());
  TestMount mount(options(nas.mountpoint()));
  soak(mount, &nas);
}

}  // namespace
}  // namespace arenacache::test
