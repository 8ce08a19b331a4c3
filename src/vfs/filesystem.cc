// SPDX-License-Identifier: Apache-2.0
#include "filesystem.h"

#include <array>
#include <cerrno>
#include <span>
#include <string>

#include "arenacache/base/hash.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"

namespace arenacache::vfs {

namespace {

constexpr unsigned kMaxChecksBehind = 8;
constexpr std::uint64_t kNameKeys = 1ULL << 63U;  // set in the keys of names: node ids never get there

Timing timing_of(const config::MountConfig& mount) {
  return {.metadata_ttl = mount.cache.metadata_ttl,
          .patience = mount.cache.patience,
          .origin_timeout = mount.origin.timeout,
          .serve_stale = mount.cache.serve_stale,
          .fills_on_write = mount.fill.on_write};
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

Filesystem::Filesystem(const MirrorOptions& options, cache::Engine& engine, base::Clock& clock)
    : engine_(engine),
      clock_(clock),
      source_(options.source),
      origin_(engine.origin_of(options.source)),
      nodes_(origin_.fidelity()),
      timing_(timing_of(options.mount)),
      timer_(clock) {}

Timing Filesystem::timing() const {
  base::MutexLock lock(timing_mutex_);
  return timing_;
}

bool Filesystem::may_pass_writes() const {
  return backings_.is_available() && fidelity().is_local_disk && fidelity().stable_inodes && !timing().fills_on_write;
}

void Filesystem::reload(const config::MountConfig& mount) {
  base::MutexLock lock(timing_mutex_);
  timing_ = timing_of(mount);
}

double Filesystem::kernel_timeout(base::TimePoint validated) const {
  const std::chrono::nanoseconds ttl = timing().metadata_ttl;
  const base::TimePoint now = clock_.now();
  const bool is_fresh = validated != base::TimePoint::min() && now - validated < ttl;
  return std::chrono::duration<double>(is_fresh ? ttl - (now - validated) : ttl).count();
}

void Filesystem::change(origin::ChangeKey key, std::move_only_function<void(origin::Origin&)> call) {
  change({key, key}, std::move(call));
}

void Filesystem::change(std::pair<origin::ChangeKey, origin::ChangeKey> keys,
                        std::move_only_function<void(origin::Origin&)> call) {
  const std::array<origin::ChangeKey, 2> both{keys.first, keys.second};
  const std::span<const origin::ChangeKey> distinct(both.data(), keys.first == keys.second ? 1 : 2);
  origin_.change(distinct, [call = std::move(call)](origin::Origin& origin) mutable {
    guarded("changing the origin", [&] { call(origin); });
  });
}

bool Filesystem::begin_check_behind() {
  if (checks_behind_.fetch_add(1, std::memory_order_relaxed) < kMaxChecksBehind) return true;
  end_check_behind();
  return false;
}

void Filesystem::stop() {
  timer_.stop();
  backings_.stop();
  directories_.remove_all();
  // Closing a file of the origin may block: where changes may.
  for (auto& handle : files_.remove_all()) {
    const origin::ChangeKey key = node_key(handle->node);
    change(key, [held = std::move(handle)](origin::Origin&) mutable { held.reset(); });
  }
}

}  // namespace arenacache::vfs
