// SPDX-License-Identifier: Apache-2.0
// RaceGround, ReplacedFile, WrittenFile: what open_races_test.cc plays on, and what each file may show to whom, by the promise of
// docs/semantics.md. Threads: the test's; the origin's calls come on others. Never: lets real time pass.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/executor.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/cache/engine.h"
#include "arenacache/origin/guarded_origin.h"
#include "arenacache/vfs/mirror.h"
#include "support/fake_origin.h"
#include "support/fake_page_cache.h"
#include "support/lender.h"
#include "support/matchers.h"
#include "support/simulated_clock.h"
#include "support/temp_dir.h"
#include "vfs/simulated_mount.h"

namespace arenacache::vfs {

using Random = std::mt19937_64;

inline constexpr std::uint64_t kRacedBytes =
    (std::uint64_t{4} << 20U) + (std::uint64_t{64} << 10U);  // a node for each version
/// The pages that are read and written.
inline constexpr std::array<std::uint64_t, 4> kPlaces{0, 100, 600, 1030};
inline constexpr auto kOpenTtl = std::chrono::seconds(1);

inline bool is_one_in(Random& random, unsigned count) { return random() % count == 0; }

/// Content of which each eight bytes tell the version.
inline std::string content_of(std::uint64_t version, std::size_t bytes) {
  std::string made(bytes, '\0');
  for (std::size_t at = 0; at < bytes; at += sizeof version) std::memcpy(made.data() + at, &version, sizeof version);
  return made;
}

/// Nothing: of none, or of several.
inline std::optional<std::uint64_t> version_in(const std::string& page) {
  std::uint64_t version = 0;
  if (page.size() != test::SimulatedMount::kPageBytes) return std::nullopt;
  std::memcpy(&version, page.data(), sizeof version);
  return page == content_of(version, page.size()) ? std::optional(version) : std::nullopt;
}

/// An engine over an origin whose calls go on when they are let.
class RaceGround {
 public:
  explicit RaceGround(bool believes) {
    base::log_open(base::LogLevel::off, "races");
    config_.store.path = store_.path("store");
    config_.store.capacity = {.bytes = std::uint64_t{64} << 20U, .percent = 0};
    config_.store.keep_free = {.bytes = 0, .percent = 0};
    config_.cache.settle = std::chrono::nanoseconds(0);
    config_.cache.min_size = 0;
    config_.origin.read_timeout = std::chrono::hours(20);
    config_.cache.metadata_ttl = believes ? std::chrono::hours(10) : std::chrono::hours(0);
    config_.cache.patience = std::chrono::hours(10);
    config_.origin.timeout = std::chrono::hours(20);
    config_.fuse.threads = 2;
    config_.mounts = {{.name = "models",
                       .source = "/models",
                       .mountpoint = "/models",
                       .cache = config_.cache,
                       .fill = config_.fill,
                       .origin = config_.origin}};
    engine_ = test::must(
        cache::Engine::create(config_, {.clock = clock_, .io = io_, .background = pool_, .page_cache = page_cache_}));
    options_ = {.source = engine_->add_source(config_.mounts[0], guard_),
                .mount = config_.mounts[0],
                .fuse = config_.fuse,
                .keeper = {}};
    engine_->start();
  }
  ~RaceGround() {
    origin_->open_all_gates();
    guard_->stop();
    engine_->stop();
    pool_.stop();
  }
  RaceGround(const RaceGround&) = delete;
  RaceGround& operator=(const RaceGround&) = delete;

  test::SimulatedClock& clock() { return clock_; }
  test::FakeOrigin& origin() { return *origin_; }
  cache::Engine& engine() { return *engine_; }
  [[nodiscard]] const MirrorOptions& options() const { return options_; }
  [[nodiscard]] bool believes_names() const { return config_.cache.metadata_ttl > kOpenTtl; }
  void hold_origin() {
    for (const test::OriginCall call : kHeld) origin_->close_gate(call);
  }
  void let_origin_go() { origin_->open_all_gates(); }
  /// Lets one of its calls through, now or when it comes.
  void let_one_through(Random& random) { origin_->let_through(kHeld.at(random() % kHeld.size()), 1); }

 private:
  static constexpr std::array kHeld{
      test::OriginCall::stat,   test::OriginCall::open,  test::OriginCall::file_stat, test::OriginCall::read,
      test::OriginCall::rename, test::OriginCall::write, test::OriginCall::create,    test::OriginCall::set_attributes};

  test::SimulatedClock clock_;
  test::TempDir store_;
  base::PosixFileIo io_;
  test::FakePageCache page_cache_;
  base::ThreadPool pool_{"background", 2};
  config::Config config_;
  std::shared_ptr<test::FakeOrigin> origin_ = std::make_shared<test::FakeOrigin>(clock_);
  test::Lender lender_;
  std::shared_ptr<origin::GuardedOrigin> guard_ =
      std::make_shared<origin::GuardedOrigin>(lender_.lend(origin_), clock_, origin::GuardLimits{});
  std::unique_ptr<cache::Engine> engine_;
  MirrorOptions options_;
};

/// A file that is changed behind the mount.
class ReplacedFile {
 public:
  ReplacedFile(RaceGround& ground, std::string name) : ground_(ground), name_(std::move(name)) {
    versions_.push_back({});
    ground_.origin().put(name_, content_of(0, kRacedBytes));
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint64_t newest() const { return versions_.size() - 1; }
  /// That an open which begins now may get.
  [[nodiscard]] std::uint64_t oldest() const {
    std::uint64_t oldest = newest();
    while (oldest > 0 && versions_[oldest].since + kOpenTtl > ground_.clock().now()) --oldest;
    return oldest;
  }
  /// `oldest`: for an open. That there is no such file is believed for as long as any name is.
  [[nodiscard]] bool may_be_missing(std::uint64_t oldest) const {
    const std::uint64_t first = ground_.believes_names() ? 0 : oldest;
    return std::any_of(versions_.begin() + static_cast<std::ptrdiff_t>(first), versions_.end(),
                       [](const Version& one) { return one.is_missing; });
  }
  /// Says what it did.
  std::string change(Random& random) {
    ground_.clock().advance(std::chrono::milliseconds(20));  // so that its times are others
    const std::uint64_t version = versions_.size();
    const bool was_missing = versions_.back().is_missing;
    versions_.push_back({.since = ground_.clock().now()});
    if (!was_missing && is_one_in(random, 6)) {
      versions_.back().is_missing = true;
      ground_.origin().erase(name_);
      return base::text(name_, " is removed: ", version);
    }
    if (!was_missing && is_one_in(random, 3)) {
      ground_.origin().put(name_, content_of(version, kRacedBytes));
      return base::text(name_, " is written over: ", version);
    }
    ground_.origin().replace(name_, content_of(version, kRacedBytes));
    return base::text(name_, " is replaced: ", version);
  }

 private:
  struct Version {
    base::TimePoint since = base::TimePoint::min();
    bool is_missing = false;
  };
  RaceGround& ground_;
  const std::string name_;
  std::vector<Version> versions_;
};

/// A file that is written, replaced and made empty through the mount, by one program at a time. Who reads a page sees what was written
/// before the read began, or later; but who opened it before another file took its name reads that one, if it can be had.
class WrittenFile {
 public:
  WrittenFile(RaceGround& ground, std::string name) : name_(std::move(name)) {
    ground.origin().put(name_, content_of(0, kRacedBytes));
  }
  [[nodiscard]] const std::string& name() const { return name_; }
  /// Of the page at `place` in kPlaces.
  std::uint64_t begin(std::size_t place) { return begun_.at(place) = ++newest_; }
  void end(std::size_t place) { finished_.at(place) = begun_.at(place); }
  [[nodiscard]] std::uint64_t newest() const { return newest_; }
  /// It is about to be made empty.
  void begin_truncation() {
    begun_.fill(++newest_);
    empty_.insert(newest_);
  }
  void end_truncation() { finished_ = begun_; }
  /// Whether `page` is of a version of `oldest` to `newest`. Behind the end of what was written since the file was empty are zeros, or
  /// nothing.
  [[nodiscard]] bool is_of(const std::string& page, std::uint64_t oldest, std::uint64_t newest) const {
    const auto version = version_in(page);
    if (version && *version >= oldest && *version <= newest) return true;
    const auto empty = empty_.lower_bound(oldest);
    return empty != empty_.end() && *empty <= newest && (page.empty() || version == 0);
  }
  using Versions = std::array<std::uint64_t, kPlaces.size()>;
  [[nodiscard]] const Versions& begun() const { return begun_; }
  [[nodiscard]] const Versions& finished() const { return finished_; }
  /// Another file, all of one version, is about to take its name.
  std::uint64_t begin_replacement() {
    last_before_.push_back(finished_);
    begun_.fill(++newest_);
    return newest_;
  }
  void end_replacement() {
    finished_ = begun_;
    ++replaced_;
  }
  [[nodiscard]] std::size_t replaced() const { return replaced_; }
  /// Whether another file took its name, or was about to, after `replaced` had.
  [[nodiscard]] bool is_replaced_since(std::size_t replaced) const { return last_before_.size() > replaced; }
  /// What a read that begins now may see, by who opened it after `replaced` had taken its name.
  [[nodiscard]] std::uint64_t oldest(std::size_t place, std::size_t replaced) const {
    return is_replaced_since(replaced) ? last_before_.at(replaced).at(place) : finished_.at(place);
  }

 private:
  const std::string name_;
  std::uint64_t newest_ = 0;
  Versions begun_{};
  Versions finished_{};
  std::set<std::uint64_t> empty_;
  std::vector<Versions> last_before_;
  std::size_t replaced_ = 0;
};

}  // namespace arenacache::vfs
