// SPDX-License-Identifier: Apache-2.0
#include "committer.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/origin/local_origin.h"
#include "core.h"
#include "origin_close.h"

namespace arenacache::cache {
namespace {

using std::chrono::seconds;

constexpr auto kRound = seconds(5);
/// An mtime this old counts as settled at once: no writer moves it that late.
constexpr auto kOldEnough = std::chrono::hours(1);
constexpr auto kCommitAgain = seconds(30);
constexpr auto kWriterPoll = seconds(1);

/// The right to write an object's sidecar, and the row that goes with it. Blocks while somebody else has it.
class SidecarTurn {
 public:
  explicit SidecarTurn(Object& object) : object_(object) {
    base::MutexLock lock(object_.mutex);
    while (object_.is_writing_sidecar) object_.sidecar_written.wait(lock);
    object_.is_writing_sidecar = true;
  }
  ~SidecarTurn() {
    const base::MutexLock lock(object_.mutex);
    object_.is_writing_sidecar = false;
    object_.sidecar_written.notify_all();
  }
  SidecarTurn(const SidecarTurn&) = delete;
  SidecarTurn& operator=(const SidecarTurn&) = delete;

 private:
  Object& object_;
};

}  // namespace

void Committer::completed(const std::shared_ptr<Object>& object) {
  base::TimePoint due;
  {
    const base::MutexLock lock(object->mutex);
    if (object->life != Life::filling || object->commit_scheduled) return;
    object->commit_scheduled = true;
    const base::WallTime modified{std::chrono::nanoseconds(object->version.mtime_ns)};
    const bool is_old = modified < core_.clock.wall_now() - kOldEnough;
    due = is_old ? core_.clock.now() : object->first_seen + object->source->settle_time();
  }
  schedule_commit(object, due);
}

void Committer::schedule_commit(const std::shared_ptr<Object>& object, base::TimePoint due) {
  auto job = [core = core_.shared_from_this(), object] { core->committer.commit(object); };
  if (due <= core_.clock.now()) {
    core_.background.submit("commit", std::move(job));
  } else {
    core_.timers.schedule(due, "commit", std::move(job));
  }
}

void Committer::commit(const std::shared_ptr<Object>& object) {
  ObjectKey key;
  std::string path;
  {
    const base::MutexLock lock(object->mutex);
    if (object->life != Life::filling) return;
    key = object->key;
    path = object->path;
  }
  if (core_.catalog.has_writer(key)) return schedule_commit(object, core_.clock.now() + kWriterPoll);
  object->source->guarded->look<origin::Attributes>(
      base::Duration(object->source->options()->origin.timeout),
      [path](origin::Origin& origin) { return origin.stat(path); },
      [core = core_.shared_from_this(), object](base::Result<origin::Attributes> seen) {
        core->background.submit("commit",
                                [core, object, seen = std::move(seen)] { core->committer.version_seen(object, seen); });
      });
}

void Committer::version_seen(const std::shared_ptr<Object>& object, const base::Result<origin::Attributes>& seen) {
  if (!seen && seen.error().errno_value != ENOENT) return schedule_commit(object, core_.clock.now() + kCommitAgain);
  bool is_same = false;
  if (seen) {
    const auto version = origin::version_of(*seen);
    const base::MutexLock lock(object->mutex);
    const bool same_inode = object->key.inode == 0 || version.inode == object->key.inode;
    is_same = same_inode && version.same_data(object->version);
  }
  if (!is_same) {
    core_.catalog.drop(object);
    return;
  }
  const auto done = make_resident(object);
  if (!done && done.error().kind != base::ErrorKind::cancelled) store_failed(object, done.error());
}

base::Result<void> Committer::make_resident(const std::shared_ptr<Object>& object) {
  AC_ASSIGN(const auto file, core_.fetcher.open_store(*object));
  AC_TRY(file->sync());
  AC_TRY(core_.verifier.verify(*object));  // the kernel serves it unasked from now on
  const SidecarTurn turn(*object);
  store::Sidecar sidecar{.id = object->id, .origin = {}, .resident = true, .blocks = {}};
  {
    const base::MutexLock lock(object->mutex);
    if (object->life != Life::filling || !object->is_complete()) return {};
    sidecar.origin = object->describe();
    sidecar.blocks = object->blocks;
  }
  AC_TRY(core_.tier->write_sidecar(sidecar));
  AC_ASSIGN(const std::uint64_t allocated, file->refresh_allocated());
  // Closed without the lock: a close may block.
  std::shared_ptr<store::RawFile> idle;
  std::shared_ptr<origin::OriginFile> closed;
  bool is_dropped = false;
  {
    const base::MutexLock lock(object->mutex);
    is_dropped = object->is_dropped();
    if (!is_dropped) become_resident(*object, sidecar, allocated);
    idle = object->take_idle_file();
    if (object->readers == 0 && !object->admitted) closed = std::exchange(object->origin_file, nullptr);
  }
  close_origin_file(*object->source, std::move(closed));
  if (is_dropped) return core_.tier->remove(object->id);  // the sidecar was written after the drop's unlink
  core_.packer.look();
  core_.tier_tasks.look();
  core_.dedup.became_resident(object->id);
  return {};
}

void Committer::become_resident(Object& object, const store::Sidecar& written, std::uint64_t allocated) {
  object.set_life(Life::resident);
  object.commit_scheduled = false;
  object.checkpoint_due = object.describe() != written.origin;  // renamed meanwhile: the next round writes it again
  object.row_due = false;
  object.allocated_bytes = allocated;
  core_.index->put(object.row());
}

bool Committer::load(const std::shared_ptr<Object>& object) {
  bool has_map = false;
  bool is_packed = false;
  {
    const base::MutexLock lock(object->mutex);
    is_packed = object->life == Life::packed;
    if (!is_packed && (object->file || !object->has_raw())) return true;
    has_map = object->has_map;
  }
  if (is_packed) return load_packed(object);
  const auto read = [&]() -> base::Result<void> {
    AC_ASSIGN(auto file, core_.tier->open_file(object->id));
    AC_TRY(file->expect_size(object->size));  // the kernel may be given it as it is
    store::Sidecar sidecar;
    if (!has_map) {
      AC_ASSIGN(sidecar, core_.tier->read_sidecar(object->id));
    }
    const base::MutexLock lock(object->mutex);
    if (!object->has_map) {
      if (!object->is_described_by(sidecar))
        return base::fail(base::ErrorKind::corrupt, EIO, "its sidecar speaks of another file");
      object->blocks = std::move(sidecar.blocks);
      object->has_map = true;
    }
    if (!object->file) object->file = std::move(file);
    return {};
  };
  if (auto done = read(); !done) {
    store_failed(object, done.error());
    return false;
  }
  bool is_uncommitted = false;
  {
    const base::MutexLock lock(object->mutex);
    is_uncommitted = object->is_complete() && object->life == Life::filling;
  }
  if (is_uncommitted) completed(object);  // the last life ended before it had settled
  return true;
}

bool Committer::load_packed(const std::shared_ptr<Object>& object) {
  for (;;) {
    std::optional<PackedPlace> place;
    {
      const base::MutexLock lock(object->mutex);
      if (object->packed_file) return true;
      if (object->life != Life::packed) return false;
      place = object->packed;
    }
    auto opened = open_packed(*place);
    {
      const base::MutexLock lock(object->mutex);
      // Moved to the next tier while it was opened: that says nothing of it.
      if (!opened && !object->is_dropped() && object->packed != place) continue;
      if (opened && object->readers > 0 && !object->packed_file) object->packed_file = std::move(*opened);
    }
    if (opened) return true;
    core_.packed_failed(object, opened.error());
    return false;
  }
}

base::Result<void> Committer::checkpoint(const std::shared_ptr<Object>& object) {
  const SidecarTurn turn(*object);
  store::Sidecar sidecar{.id = object->id, .origin = {}, .resident = false, .blocks = {}};
  std::shared_ptr<store::RawFile> file;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped() || !object->has_map || !object->has_raw()) return {};
    sidecar.origin = object->describe();
    sidecar.blocks = object->blocks;  // before the sync: every block in it is written
    sidecar.resident = object->life == Life::resident;
    file = object->file;
    object->checkpoint_due = false;
  }
  if (!sidecar.resident) {
    if (!file) {
      AC_ASSIGN(file, core_.tier->open_file(object->id));  // closed as idle, and then renamed
    }
    AC_TRY(file->sync());
  }
  AC_TRY(core_.tier->write_sidecar(sidecar));
  std::uint64_t allocated = 0;
  if (file) {
    AC_ASSIGN(allocated, file->refresh_allocated());
  }
  std::shared_ptr<store::RawFile> idle;  // closed without the lock
  bool is_dropped = false;
  {
    const base::MutexLock lock(object->mutex);
    is_dropped = object->is_dropped();
    if (!is_dropped) {
      object->row_due = false;
      if (file) object->allocated_bytes = allocated;
      core_.index->put(object->row());
      idle = object->take_idle_file();
    }
  }
  if (is_dropped) return core_.tier->remove(object->id);
  return {};
}

void Committer::write_out_one(const std::shared_ptr<Object>& object) {
  bool checkpoint_due = false;
  std::optional<PackedPlace> described;  ///< the copy that speaks of another name
  store::ObjectOrigin origin;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped()) return;
    checkpoint_due = object->checkpoint_due;
    if (std::exchange(object->manifest_due, false)) described = object->packed;
    if (described) origin = object->describe();
    if (!checkpoint_due && object->row_due && object->is_stored()) {
      object->row_due = false;
      core_.index->put(object->row());
    }
  }
  if (described) {
    // It counts only when the index is lost; a copy that is gone meanwhile has nothing to say.
    if (auto told = described->tier->store->rewrite_origin(described->id, origin); !told)
      base::log_debug(told.error().what);
  }
  if (!checkpoint_due) return;
  if (auto done = checkpoint(object); !done) store_failed(object, done.error());
}

void Committer::store_failed(const std::shared_ptr<Object>& object, const base::Error& error) {
  core_.counters.store_errors.add();
  if (error.kind == base::ErrorKind::corrupt) core_.counters.checksum_errors.add();
  if (error.kind == base::ErrorKind::corrupt || error.errno_value == EIO) core_.distrust_store();
  base::log_warn(base::text("object ", store::to_number(object->id), " is dropped from the raw tier: ", error.what));
  static_cast<void>(core_.raw_failed(object));
}

void Committer::start_rounds() {
  core_.timers.schedule(core_.clock.now() + kRound, "round", [core = core_.weak_from_this()] {
    if (const auto alive = core.lock()) alive->committer.round();
  });
}

void Committer::round() {
  if (core_.stopping.load()) return;
  static_cast<void>(write_out(core_.clock.now() + seconds(60)));
  core_.evictor.relieve();
  core_.tier_room.relieve();
  core_.ram_files.relieve();
  core_.packer.look();
  core_.tier_tasks.look();  // those that were dropped instead of becoming resident
  core_.dedup.look();
  core_.probe_store();
  start_rounds();
}

bool Committer::write_out(base::TimePoint deadline) {
  bool is_all = true;
  for (const auto& object : core_.catalog.all()) {
    is_all = core_.clock.now() < deadline;
    if (!is_all) break;
    write_out_one(object);
  }
  write_counters();
  return is_all;
}

void Committer::drop_empty() {
  for (const auto& object : core_.catalog.all()) {
    bool is_empty = false;
    {
      const base::MutexLock lock(object->mutex);
      is_empty = object->file && !object->is_stored();
    }
    if (is_empty) core_.catalog.drop(object);
  }
}

void Committer::write_counters() {
  const base::MutexLock lock(counters_mutex_);
  for (const auto& [name, value] : core_.lifetime()) {
    auto& written = counters_written_[name];
    if (std::exchange(written, value) != value) core_.index->put_counter(name, value);
  }
}

}  // namespace arenacache::cache
