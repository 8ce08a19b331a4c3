// SPDX-License-Identifier: Apache-2.0
#include "filesystem.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "listing_access.h"

namespace arenacache::vfs {

namespace {

constexpr unsigned kMaxChecksBehind = 8;
constexpr std::uint64_t kNameKeys = 1ULL << 63U;  // set in the keys of names: node ids never get there

// Folders that one call to the origin watches: few enough for its deadline.
constexpr std::size_t kWatchedAtOnce = 256;

// An open looks at the file's version when the last look is older than this, within patience.
constexpr std::chrono::nanoseconds kOpenTtl = std::chrono::seconds(1);
constexpr std::chrono::nanoseconds kLocalTtl = std::chrono::seconds(1);
constexpr std::chrono::nanoseconds kNetworkTtl = std::chrono::seconds(60);

Timing timing_of(const config::MountConfig& mount, const origin::Fidelity& fidelity) {
  return {.metadata_ttl = mount.cache.metadata_ttl.value_or(fidelity.is_network ? kNetworkTtl : kLocalTtl),
          .patience = mount.cache.patience,
          .origin_timeout = mount.origin.timeout,
          .read_timeout = mount.origin.read_timeout == std::chrono::nanoseconds::zero()
                              ? std::chrono::nanoseconds::max()
                              : mount.origin.read_timeout,
          .serve_stale = mount.cache.serve_stale,
          .fills_on_write = mount.fill.on_write};
}

/// Tells listings of one origin from those of another that the same mount had before.
std::uint64_t owner_of(const config::MountConfig& mount, const origin::Fidelity& fidelity) {
  return base::xxh3_64(base::text(mount.source, '\n', fidelity.file_system, '\n', fidelity.file_system_id));
}

}  // namespace

void log_exception(std::string_view deed, const std::exception* exception) {
  base::log_error(
      base::text("an exception while ", deed, ": ", exception != nullptr ? exception->what() : "of unknown type"));
}

base::Error gone_error() { return base::errno_error(base::ErrorKind::stale, ESTALE, "the file has no name any more"); }

origin::ChangeKey name_key(Name name) {
  const std::uint64_t folder = std::to_underlying(name.parent) * 0x9E3779B97F4A7C15ULL;
  return origin::ChangeKey{(base::xxh3_64(name.name) ^ folder) | kNameKeys};
}

origin::ChangeKey node_key(NodeId id) { return origin::ChangeKey{std::to_underlying(id)}; }

Filesystem::Filesystem(const MirrorOptions& options, std::shared_ptr<handover::Area> area, cache::Engine& engine,
                       base::Clock& clock)
    : area_(std::move(area)),
      keeper_(options.keeper),
      engine_(engine),
      clock_(clock),
      source_(options.source),
      origin_(engine.origin_of(options.source)),
      nodes_(origin_.fidelity(), &area_->records()),
      files_(area_->records().next_file()),
      directories_(area_->records().next_folder()),
      timing_(timing_of(options.mount, origin_.fidelity())),
      shelf_(engine, options.source),
      listings_({.budget_bytes = engine.listing_budget(), .owner = owner_of(options.mount, origin_.fidelity())}, shelf_,
                clock),
      timer_(clock),
      listing_writer_(listings_, clock) {
  listings_.restore(engine.take_listings(options.source));
  const auto top = listings_.find("");
  const auto source = top ? top->source() : std::nullopt;
  if (!source) return;
  // What an earlier worker of this mount left is as new, or newer.
  if (!nodes_.state(kRootNode)->has_attributes) {
    static_cast<void>(nodes_.attributes_seen(kRootNode, source->top, nodes_.stamp(), top->validated()));
  }
  space_.set(source->space, top->validated(), space_.changes());
}

Timing Filesystem::timing() const {
  base::MutexLock lock(timing_mutex_);
  return timing_;
}

bool Filesystem::may_pass_writes() const {
  return backings_.is_available() && fidelity().is_local_disk && fidelity().stable_inodes && !timing().fills_on_write;
}

void Filesystem::reload(const config::MountConfig& mount) {
  base::MutexLock lock(timing_mutex_);
  timing_ = timing_of(mount, origin_.fidelity());
}

base::TimePoint Filesystem::fresh_within(std::chrono::nanoseconds age) const {
  return std::max({clock_.now() - age, distrusted_until_.load(), origin_.recovered()});
}

base::TimePoint Filesystem::fresh_for_open_since() const {
  return fresh_within(std::min(timing().metadata_ttl, kOpenTtl));
}

void Filesystem::distrust_all() { distrusted_until_ = clock_.now(); }

void Filesystem::watch_listed() {
  // The kernel tells nobody of what other machines change.
  if (fidelity().is_network) return;
  watch(std::make_shared<const std::vector<std::string>>(listings_.paths()), 0);
}

void Filesystem::watch(std::shared_ptr<const std::vector<std::string>> paths, std::size_t begin) {
  if (begin >= paths->size()) return;
  const std::size_t end = std::min(paths->size(), begin + kWatchedAtOnce);
  origin_.look<bool>(
      timing().origin_timeout,
      [paths, begin, end](origin::Origin& origin) -> base::Result<bool> {
        guarded("watching folders", [&] {
          for (std::size_t i = begin; i < end; ++i) origin.watch_folder(paths->at(i), false);
        });
        return true;
      },
      [weak = weak_from_this(), paths, end](const base::Result<bool>& said) {
        const FilesystemPtr fs = said ? weak.lock() : nullptr;
        if (fs) guarded("watching folders", [&] { fs->watch(paths, end); });
      });
}

double Filesystem::kernel_timeout(base::TimePoint validated) const {
  const std::chrono::nanoseconds ttl = timing().metadata_ttl;
  const base::TimePoint now = clock_.now();
  const bool is_fresh = validated > fresh_within(ttl);
  return std::chrono::duration<double>(is_fresh ? ttl - (now - validated) : ttl).count();
}

void Filesystem::change(origin::ChangeKey key, std::move_only_function<void(origin::Origin&)> call) {
  change({key, key}, std::move(call));
}

void Filesystem::change(std::pair<origin::ChangeKey, origin::ChangeKey> keys,
                        std::move_only_function<void(origin::Origin&)> call) {
  const std::array<origin::ChangeKey, 2> both{keys.first, keys.second};
  origin_calls_.add();
  const std::span<const origin::ChangeKey> distinct(both.data(), keys.first == keys.second ? 1 : 2);
  origin_.change(distinct, [self = shared_from_this(), call = std::move(call)](origin::Origin& origin) mutable {
    // Before, as the call itself answers the program; after, as somebody may have asked in between.
    self->space_.changed();
    guarded("changing the origin", [&] { call(origin); });
    self->space_.changed();
  });
}

bool Filesystem::may_check_behind() const { return checks_behind_.load(std::memory_order_relaxed) < kMaxChecksBehind; }

void Filesystem::stop(bool keeps_open) {
  timer_.stop();
  kernel_.stop();
  kernel_pages_.stop();
  backings_.stop();
  if (!keeps_open) close_all();
  listing_writer_.stop();
}

void Filesystem::close_all() {
  directories_.remove_all();
  // Closing a file of the origin may block: where changes may.
  for (auto& handle : files_.remove_all()) {
    const origin::ChangeKey key = node_key(handle->node);
    // Who writes past us may do so until the end.
    if (handle->file && handle->backing) note_data_unknown(*this, handle->node);
    change(key, [held = std::move(handle)](origin::Origin&) mutable { held.reset(); });
  }
}

}  // namespace arenacache::vfs
