// SPDX-License-Identifier: Apache-2.0
// Programs that open, read, write, truncate and rename while files change behind the mount, the origin answers in any order and workers
// take turns: each time in an order that a seed makes. No open of a file that is there fails, and what is read is of one version that was
// there. ARENACACHE_TEST_SEED=N plays one order (nearly: the worker's threads are real), ARENACACHE_TEST_LONG=1 thousands.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "arenacache/base/text.h"
#include "vfs/raced_files.h"
#include "vfs/simulated_mount.h"
#include "vfs/turns.h"

// NOLINTBEGIN(readability-identifier-naming, bugprone-reserved-identifier): LeakSanitizer calls it so
extern "C" const char* __lsan_default_suppressions();
/// libfuse keeps requests that are never answered: a worker that leaves some is a process that ends.
extern "C" const char* __lsan_default_suppressions() { return "leak:libfuse3.so\n"; }
// NOLINTEND(readability-identifier-naming, bugprone-reserved-identifier)

namespace arenacache::vfs {
namespace {

using base::text;
using test::SimulatedMount;
using test::Turns;

class Race {
 public:
  explicit Race(std::uint64_t seed)
      : random_(seed), ground_(is_one_in(random_, 2)), replaced_(ground_, "replaced"), written_(ground_, "written") {
    ground_.origin().put("moved-a", content_of(kMoved, kRacedBytes));
    has_modes_ = is_one_in(random_, 2);
    if (has_modes_) ground_.origin().give_descriptors();
    mount_ =
        std::make_unique<SimulatedMount>(ground_.options(), ground_.engine(), ground_.origin(), ground_.clock(), seed);
  }

  /// What went wrong; empty: nothing.
  std::string run() {
    add_programs();
    ground_.hold_origin();
    constexpr int kSteps = 1500;
    for (int step = 0; step < kSteps && failure_.empty(); ++step) take_step();
    is_ending_ = true;
    ground_.let_origin_go();
    await("a program hangs", [this] {
      static_cast<void>(turns_.take(random_));
      return turns_.have_ended();
    });
    mount_->forget_all();
    await("something is still held", [this] { return mount_->is_idle(); });
    return failure_;
  }
  [[nodiscard]] const SimulatedMount& mount() const { return *mount_; }

 private:
  static constexpr std::uint64_t kMoved = 1'000'000;

  void add(std::function<void(Turns::Program&, std::uint32_t)> round) {
    const std::uint32_t thread = 4'000'000 + next_thread_++;
    turns_.add([this, thread, round = std::move(round)](Turns::Program& me) {
      while (!is_ending_ && failure_.empty()) round(me, thread);
    });
  }

  void add_programs() {
    const auto kinds = random_() % 4;  // of files: one, or all
    const auto add_some = [&](std::uint64_t kind, std::uint64_t count, auto round) {
      if (kinds != kind && kinds != 3) return;
      for (; count > 0; --count) add(round);
    };
    add_some(0, 2 + random_() % 3, [this](auto& me, auto thread) { read_replaced(me, thread); });
    add_some(1, 1 + random_() % 3, [this](auto& me, auto thread) { read_moved(me, thread); });
    add_some(1, 1, [this](auto& me, auto thread) { move(me, thread); });
    add_some(2, 1 + random_() % 3, [this](auto& me, auto thread) { read_written(me, thread); });
    add_some(2, 1, [this](auto& me, auto thread) { write(me, thread); });
    const unsigned changes = 1 + static_cast<unsigned>(random_() % 30);
    const unsigned workers = changes + (is_one_in(random_, 3) ? 0 : 1 + static_cast<unsigned>(random_() % 20));
    const unsigned modes = workers + (has_modes_ ? 1 + static_cast<unsigned>(random_() % 20) : 0);
    chances_ = {
        .change = changes, .worker = workers, .mode = modes, .time = modes + 6, .name = modes + 20, .origin = 400};
    is_busy_ = is_one_in(random_, 4);
  }

  /// Until `is_true`, which the worker brings about; a test that does not end would tell less.
  template <class Condition>
  void await(const char* what, Condition is_true) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!is_true()) {
      mount_->take_all();
      if (std::chrono::steady_clock::now() > deadline) {
        std::fprintf(stderr, "%s: %s\n%s", what, failure_.c_str(), mount_->history().c_str());
        std::abort();
      }
      std::this_thread::yield();
    }
  }

  void fail(const std::string& what) {
    if (failure_.empty()) failure_ = what + "\n" + mount_->history();
  }

  void take_step() {
    mount_->take_all();
    const auto dice = random_() % 1000;
    if (dice < chances_.change) return mount_->note(replaced_.change(random_));
    if (dice < chances_.worker) return change_worker();
    if (dice < chances_.mode) return change_mode();
    if (dice < chances_.time) return let_time_pass();
    if (dice < chances_.name) return forget_name();
    if (dice < chances_.origin) return ground_.let_one_through(random_);
    if (!turns_.take(random_)) await_answer();
  }

  void forget_name() {
    const std::array<std::string, 3> names{replaced_.name(), written_.name(), "moved-a"};
    mount_->forget_name(names.at(random_() % names.size()));
  }

  /// Where nothing is cached the kernel reads the origin's own file.
  void change_mode() {
    using enum config::CacheMode;
    const config::CacheMode mode = std::array{active, use_only, off}.at(random_() % 3);
    mount_->note(text("mode ", static_cast<int>(mode)));
    ground_.engine().set_mode(mode);
  }

  void let_time_pass() {
    mount_->note("time passes");
    ground_.clock().advance(kOpenTtl + std::chrono::milliseconds(100));
  }

  /// The worker's threads do what they can.
  void await_answer() {
    for (int i = 0; i < 20; ++i) std::this_thread::yield();
    ground_.let_one_through(random_);
  }

  void change_worker() {
    ground_.let_origin_go();
    mount_->change_worker(!is_one_in(random_, 3));
    ground_.hold_origin();
  }

  void read_replaced(Turns::Program& me, std::uint32_t thread) {
    const std::uint64_t oldest = replaced_.oldest();
    std::optional<SimulatedMount::File> file;
    const int error = mount_->open(me, thread, replaced_.name(), O_RDONLY, file);
    if (error == ENOENT && replaced_.may_be_missing(oldest)) return me.yield();
    if (error != 0)
      return fail(
          text("thread ", thread, ": open: errno ", error, " of versions ", oldest, " to ", replaced_.newest()));
    std::optional<std::uint64_t> version;
    for (auto reads = random_() % 8; reads > 0; --reads) {
      const auto got = mount_->read_page(me, thread, *file, kPlaces[random_() % kPlaces.size()]);
      if (got.error == ESTALE && replaced_.newest() > oldest) break;
      const auto found = got.error == 0 ? version_in(got.data) : std::nullopt;
      // The origin's own file is read as it is, whatever is written over it.
      const std::uint64_t before = version.value_or(oldest);
      const bool is_one = !version || *version == found || (file->is_origins && found && *found > before);
      const bool is_right = found && is_one && *found >= oldest && *found <= replaced_.newest();
      if (!is_right) {
        fail(text("thread ", thread, ": read: errno ", got.error, ", ", got.data.size(), " bytes, version ",
                  found ? text(*found) : "none", "; opened when ", oldest,
                  " was long there, read before: ", version ? text(*version) : "nothing"));
        break;
      }
      version = found;
      if (is_one_in(random_, 4)) mount_->evict_pages(file->node);
    }
    mount_->close(*file);
    me.yield();
  }

  void read_moved(Turns::Program& me, std::uint32_t thread) {
    std::optional<SimulatedMount::File> file;
    const int error = mount_->open(me, thread, is_one_in(random_, 2) ? "moved-a" : "moved-b", O_RDONLY, file);
    if (error == ENOENT) return me.yield();
    if (error != 0) return fail(text("thread ", thread, ": open of what moves: errno ", error));
    for (auto reads = random_() % 8; reads > 0; --reads) {
      const auto got = mount_->read_page(me, thread, *file, kPlaces[random_() % kPlaces.size()]);
      if (got.error != 0 || version_in(got.data) != kMoved) {
        fail(text("thread ", thread, ": read of what moves: errno ", got.error, ", ", got.data.size(), " bytes"));
        break;
      }
      if (is_one_in(random_, 4)) mount_->evict_pages(file->node);
    }
    mount_->close(*file);
    me.yield();
  }

  void read_written(Turns::Program& me, std::uint32_t thread) {
    std::optional<SimulatedMount::File> file;
    const std::size_t replaced = written_.replaced();
    const WrittenFile::Versions at_open = written_.finished();
    if (const int error = mount_->open(me, thread, written_.name(), O_RDONLY, file); error != 0) {
      return fail(text("thread ", thread, ": open of what is written: errno ", error));
    }
    const WrittenFile::Versions opened = written_.begun();
    for (auto reads = random_() % (is_one_in(random_, 4) ? 60 : 8); reads > 0; --reads) {
      const std::size_t place = random_() % kPlaces.size();
      // What the kernel reads of the store by itself is what was opened.
      const bool is_kept = file->backing && !file->is_origins;
      const std::uint64_t oldest = is_kept ? at_open.at(place) : written_.oldest(place, replaced);
      const auto got = mount_->read_page(me, thread, *file, kPlaces[place]);
      if (got.error == ESTALE && written_.is_replaced_since(replaced)) break;
      if (got.may_end_early) continue;
      const std::uint64_t newest = (is_kept ? opened : written_.begun()).at(place);
      if (got.error != 0 || !written_.is_of(got.data, oldest, newest)) {
        const auto found = version_in(got.data);
        fail(text("thread ", thread, ": read of what is written: errno ", got.error, ", ", got.data.size(),
                  " bytes, version ", found ? text(*found) : "none", "; written before: ", oldest,
                  ", begun: ", newest));
        break;
      }
      if (is_one_in(random_, 4)) mount_->evict_pages(file->node);
    }
    mount_->close(*file);
    me.yield();
  }

  /// Puts a new file in the place of the one that is written.
  void replace_written(Turns::Program& me, std::uint32_t thread) {
    std::optional<SimulatedMount::File> file;
    const std::string fresh = ".new";
    if (const int error = mount_->create(me, thread, fresh, file); error != 0)
      return fail(text("create: errno ", error));
    const std::uint64_t version = written_.newest() + 1;
    for (const std::uint64_t page : kPlaces) {
      const int error = mount_->write_page(me, thread, *file, page, content_of(version, SimulatedMount::kPageBytes));
      if (error != 0) fail(text("write of a new file: errno ", error));
    }
    mount_->close(*file);
    written_.begin_replacement();
    if (const int error = mount_->rename(me, thread, fresh, written_.name()); error != 0) {
      fail(text("replacement: errno ", error));
    }
    written_.end_replacement();
    mount_->note(text("written is replaced: ", version));
  }

  void truncate_written(Turns::Program& me, std::uint32_t thread) {
    written_.begin_truncation();
    if (const int error = mount_->truncate(me, thread, written_.name()); error != 0)
      fail(text("thread ", thread, ": truncation: errno ", error));
    written_.end_truncation();
    mount_->note(text("written is empty: ", written_.newest()));
  }

  void write(Turns::Program& me, std::uint32_t thread) {
    if (is_one_in(random_, 4)) return replace_written(me, thread);
    if (is_one_in(random_, 6)) return truncate_written(me, thread);
    std::optional<SimulatedMount::File> file;
    const bool truncates = is_one_in(random_, 4);
    const int flags = (is_one_in(random_, 2) ? O_WRONLY : O_RDWR) | (truncates ? O_TRUNC : 0);
    if (truncates) written_.begin_truncation();
    if (const int error = mount_->open(me, thread, written_.name(), flags, file); error != 0) {
      return fail(text("thread ", thread, ": open to write: errno ", error));
    }
    if (truncates) {
      written_.end_truncation();
      mount_->note(text("written is empty: ", written_.newest()));
    }
    for (auto writes = random_() % 4; writes > 0; --writes) {
      const std::size_t place = random_() % kPlaces.size();
      const std::uint64_t version = written_.begin(place);
      const std::string page = content_of(version, SimulatedMount::kPageBytes);
      if (const int error = mount_->write_page(me, thread, *file, kPlaces[place], page); error != 0) {
        fail(text("thread ", thread, ": write: errno ", error));
        break;
      }
      written_.end(place);
      mount_->note(text("written: ", version, " at page ", kPlaces[place]));
    }
    mount_->close(*file);
    for (int i = is_busy_ ? 0 : 10; i > 0; --i) me.yield();
  }

  void move(Turns::Program& me, std::uint32_t thread) {
    const std::string from = is_a_ ? "moved-a" : "moved-b";
    const std::string to = is_a_ ? "moved-b" : "moved-a";
    if (const int error = mount_->rename(me, thread, from, to); error != 0) fail(text("rename: errno ", error));
    is_a_ = !is_a_;
    for (int i = is_busy_ ? 0 : 20; i > 0; --i) me.yield();
  }

  Random random_;
  RaceGround ground_;
  ReplacedFile replaced_;
  WrittenFile written_;
  std::unique_ptr<SimulatedMount> mount_;
  std::string failure_;
  bool is_ending_ = false;
  bool is_a_ = true;
  bool is_busy_ = false;  ///< who changes files does so all the time
  bool has_modes_ = false;  ///< the cache's mode changes, and the origin's files have descriptors
  /// Of a step to be of a kind or one before: in a thousand.
  struct {
    unsigned change = 0, worker = 0, mode = 0, time = 0, name = 0, origin = 0;
  } chances_;
  std::uint32_t next_thread_ = 0;
  Turns turns_;  ///< the last, as the programs use the others
};

TEST(OpenRacesTest, NoOpenFailsAndNoReaderSeesAnotherVersion) {
  const char* const only = std::getenv("ARENACACHE_TEST_SEED");  // NOLINT(concurrency-mt-unsafe): nobody sets it
  const bool is_long = std::getenv("ARENACACHE_TEST_LONG") != nullptr;  // NOLINT(concurrency-mt-unsafe)
  const std::uint64_t first = only != nullptr ? std::strtoull(only, nullptr, 10) : 1;
  const std::uint64_t count = only != nullptr ? 1 : is_long ? 3000 : ARENACACHE_IS_SANITIZED ? 25 : 100;
  std::uint64_t stored_opens = 0, origin_opens = 0;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    Race race(seed);
    const std::string failure = race.run();
    ASSERT_TRUE(failure.empty()) << "ARENACACHE_TEST_SEED=" << seed << ": " << failure;
    stored_opens += race.mount().stored_opens();
    origin_opens += race.mount().origin_opens();
  }
  EXPECT_TRUE(only != nullptr || (stored_opens > 0 && origin_opens > 0)) << "nothing was read past the worker";
}

}  // namespace
}  // namespace arenacache::vfs
