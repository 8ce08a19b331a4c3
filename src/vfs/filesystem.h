// SPDX-License-Identifier: Apache-2.0
// Filesystem: what the operations of one mount share: tables, engine, origin, the options in force, how slow the origin is.
// Promises: look() and change() are the only ways from an operation to the origin, and no exception gets out of either.
// Owner: Mirror, and every operation in flight (shared_ptr): an origin's late answer finds it alive.
// Threads: any. Locks: the tables' own. Never: calls the origin on the caller's thread.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/clock.h"
#include "arenacache/base/metrics.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/result.h"
#include "arenacache/cache/engine.h"
#include "arenacache/vfs/backing_ids.h"
#include "arenacache/vfs/deadline_timer.h"
#include "arenacache/vfs/directory_cache.h"
#include "arenacache/vfs/handle_table.h"
#include "arenacache/vfs/mirror.h"
#include "arenacache/vfs/node_table.h"
#include "going_names.h"
#include "held_files.h"
#include "kernel_notifier.h"
#include "known_space.h"
#include "listing_writer.h"
#include "missing_names.h"

namespace arenacache::vfs {

/// The options that may change while running.
struct Timing {
  std::chrono::nanoseconds metadata_ttl{};
  std::chrono::nanoseconds patience{};
  std::chrono::nanoseconds origin_timeout{};
  std::chrono::nanoseconds read_timeout{};  ///< max(): none
  bool serve_stale = true;
  bool fills_on_write = false;
};

/// Logs what an exception out of `deed` says.
void log_exception(std::string_view deed, const std::exception* exception);

/// Runs `body`; an exception ends there, in the log.
template <class Body>
void guarded(std::string_view deed, Body&& body) noexcept {
  try {
    std::forward<Body>(body)();
  } catch (const std::exception& exception) {
    log_exception(deed, &exception);
  } catch (...) {
    log_exception(deed, nullptr);
  }
}

/// The error of an operation on a node that has no name and no open file any more.
[[nodiscard]] base::Error gone_error();

class Filesystem : public std::enable_shared_from_this<Filesystem> {
 public:
  Filesystem(const MirrorOptions& options, std::shared_ptr<handover::Area> area, cache::Engine& engine,
             base::Clock& clock);

  [[nodiscard]] NodeTable& nodes() { return nodes_; }
  [[nodiscard]] HandleTable<FileHandle>& files() { return files_; }
  [[nodiscard]] HandleTable<DirectoryHandle>& directories() { return directories_; }
  [[nodiscard]] BackingIds& backings() { return backings_; }
  [[nodiscard]] cache::Engine& engine() const { return engine_; }
  [[nodiscard]] cache::SourceId source() const { return source_; }
  [[nodiscard]] const origin::Fidelity& fidelity() const { return origin_.fidelity(); }
  [[nodiscard]] base::Clock& clock() { return clock_; }
  [[nodiscard]] DeadlineTimer& timer() { return timer_; }
  [[nodiscard]] DirectoryCache& listings() { return listings_; }
  [[nodiscard]] ListingWriter& listing_writer() { return listing_writer_; }
  [[nodiscard]] KernelNotifier& kernel() { return kernel_; }
  /// Tells of pages alone: no folder that a program holds is in their way.
  [[nodiscard]] KernelNotifier& kernel_pages() { return kernel_pages_; }
  [[nodiscard]] KnownSpace& space() { return space_; }
  [[nodiscard]] MissingNames& missing_names() { return missing_names_; }
  [[nodiscard]] GoingNames& going_names() { return going_names_; }
  [[nodiscard]] HeldFiles& held_files() { return held_files_; }
  [[nodiscard]] handover::Records& records() { return area_->records(); }
  /// May be null.
  [[nodiscard]] DescriptorKeeper* keeper() { return keeper_.get(); }

  [[nodiscard]] Timing timing() const;
  /// Whether the kernel may write the origin's files by itself: nobody needs to see what is written, and the disk is our own.
  [[nodiscard]] bool may_pass_writes() const;
  void reload(const config::MountConfig& mount);
  /// What was validated after this is fresh.
  [[nodiscard]] base::TimePoint fresh_since() const { return fresh_within(timing().metadata_ttl); }
  /// The same for who opens a file: sooner old, whatever metadata_ttl is.
  [[nodiscard]] base::TimePoint fresh_for_open_since() const;
  /// The same for attributes that are to be believed together with newer ones: half as long.
  [[nodiscard]] base::TimePoint young_since() const { return fresh_within(timing().metadata_ttl / 2); }
  /// Nothing that was validated until now is fresh any more.
  void distrust_all();
  /// For how many seconds the kernel may believe what the origin said at `validated`. What is older than that was chosen for
  /// want of an answer, and holds as long as an answer would.
  [[nodiscard]] double kernel_timeout(base::TimePoint validated) const;

  /// From now on `listener` hears of changes of the origin behind our back, as far as it tells of them.
  void listen(const std::weak_ptr<origin::ChangeListener>& listener) { origin_.listen(listener); }
  /// Folders that an earlier life listed are watched without being asked about: what is fresh is answered without the origin.
  /// Returns at once; the origin is busy with it for a while.
  void watch_listed();
  /// How often operations asked the origin.
  [[nodiscard]] std::uint64_t origin_calls() const { return origin_calls_.value(); }

  /// Runs `call`, which only looks, under the origin's deadline, then `done`. Both own what they touch. While the origin does not
  /// answer `done` has its timeout at once, on this thread.
  template <class T>
  void look(origin::GuardedOrigin::Call<T> call, origin::GuardedOrigin::Done<T> done) {
    look_for<T>({.timeout = timing().origin_timeout}, std::move(call), std::move(done));
  }
  /// The same for a read of an open file, which waits longer: origin.read_timeout.
  template <class T>
  void look_patiently(origin::GuardedOrigin::Call<T> call, origin::GuardedOrigin::Done<T> done) {
    look_for<T>({.timeout = timing().read_timeout, .is_patient = true}, std::move(call), std::move(done));
  }
  /// Runs `call`, which may change something, after earlier changes with one of the keys.
  void change(origin::ChangeKey key, std::move_only_function<void(origin::Origin&)> call);
  void change(std::pair<origin::ChangeKey, origin::ChangeKey> keys,
              std::move_only_function<void(origin::Origin&)> call);

  /// Whether the origin is asked for anything but reads of open files.
  [[nodiscard]] bool origin_is_answering() const { return origin_.is_answering(); }
  /// Whether a known name should not wait for the origin: it missed a patience, and since then no call has come back and it
  /// was not found to answer again.
  [[nodiscard]] bool origin_is_slow() const {
    return slow_since_.load(std::memory_order_relaxed) > origin_.recovered();
  }
  void set_origin_slow(bool is_slow) {
    slow_since_.store(is_slow ? clock_.now() : base::TimePoint::min(), std::memory_order_relaxed);
  }
  /// Checks of known names that go on while nobody waits: few, or an origin that hangs, or is slower than it is asked, would take
  /// all threads for them, and who must wait for it would wait for those too.
  [[nodiscard]] bool may_check_behind() const;
  void begin_check_behind() { checks_behind_.fetch_add(1, std::memory_order_relaxed); }
  void end_check_behind() { checks_behind_.fetch_sub(1, std::memory_order_relaxed); }

  /// Lets go of timers, and of open handles but where the next worker has those: a change that still runs records for it who reads
  /// the file.
  void stop(bool keeps_open = false);

 private:
  void close_all();
  /// The engine as the shelf of our listings.
  class EngineShelf final : public ListingShelf {
   public:
    EngineShelf(cache::Engine& engine, cache::SourceId source) : engine_(engine), source_(source) {}
    void put(cache::KnownListing listing) override { engine_.put_listing(source_, std::move(listing)); }
    void remove(const std::string& path, bool below) override { engine_.remove_listings(source_, path, below); }

   private:
    cache::Engine& engine_;
    const cache::SourceId source_;
  };

  [[nodiscard]] base::TimePoint fresh_within(std::chrono::nanoseconds age) const;
  template <class T>
  void look_for(const origin::LookTerms& terms, origin::GuardedOrigin::Call<T> call,
                origin::GuardedOrigin::Done<T> done);
  void watch(std::shared_ptr<const std::vector<std::string>> paths, std::size_t begin);

  const std::shared_ptr<handover::Area> area_;
  const std::shared_ptr<DescriptorKeeper> keeper_;
  cache::Engine& engine_;
  base::Clock& clock_;
  const cache::SourceId source_;
  origin::GuardedOrigin& origin_;
  NodeTable nodes_;
  BackingIds backings_;  ///< before the handles, which hold shares of it
  HandleTable<FileHandle> files_;
  HandleTable<DirectoryHandle> directories_;
  mutable base::Mutex timing_mutex_;
  Timing timing_ AC_GUARDED_BY(timing_mutex_);
  base::Counter origin_calls_;
  std::atomic<base::TimePoint> slow_since_{base::TimePoint::min()};  ///< min(): it is not
  std::atomic<unsigned> checks_behind_{0};
  std::atomic<base::TimePoint> distrusted_until_{base::TimePoint::min()};
  EngineShelf shelf_;
  DirectoryCache listings_;
  DeadlineTimer timer_;
  KernelNotifier kernel_;
  KernelNotifier kernel_pages_;
  KnownSpace space_;
  MissingNames missing_names_;
  GoingNames going_names_;
  HeldFiles held_files_;
  ListingWriter listing_writer_;
};

using FilesystemPtr = std::shared_ptr<Filesystem>;

template <class T>
void Filesystem::look_for(const origin::LookTerms& terms, origin::GuardedOrigin::Call<T> call,
                          origin::GuardedOrigin::Done<T> done) {
  auto guarded_call = [call = std::move(call)](origin::Origin& origin) mutable {
    base::Result<T> result = base::fail(base::ErrorKind::origin, EIO, "out of memory");
    guarded("asking the origin", [&] { result = call(origin); });
    return result;
  };
  auto guarded_done = [self = shared_from_this(), done = std::move(done)](base::Result<T> result) mutable {
    if (result || result.error().kind == base::ErrorKind::origin) self->set_origin_slow(false);
    guarded("answering", [&] { done(std::move(result)); });
  };
  origin_calls_.add();
  origin_.look<T>(terms, std::move(guarded_call), std::move(guarded_done));
}

/// The keys that changes queue by: of a name in a folder, of a file's data and attributes.
[[nodiscard]] origin::ChangeKey name_key(Name name);
[[nodiscard]] origin::ChangeKey node_key(NodeId id);

}  // namespace arenacache::vfs
