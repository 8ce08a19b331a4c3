// SPDX-License-Identifier: Apache-2.0
#include "packer.h"

#include <pthread.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "arenacache/base/io_priority.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/store/raw_check.h"
#include "core.h"
#include "model_header.h"
#include "packing_turn.h"

namespace arenacache::cache {
namespace {

using base::ErrorKind;

/// A tier without room, or one that fails, is not asked again at once.
constexpr auto kAfterFailedPack = std::chrono::minutes(1);

/// The bytes of a resident object in order, each block compared with its checksum as the disk has it.
class CheckedBytes {
 public:
  static base::Result<CheckedBytes> open(store::RawTier& tier, Object& object) {
    AC_ASSIGN(auto check, store::RawCheck::open(tier, object.id, object.size));
    return CheckedBytes(std::move(check), object);
  }
  base::Result<void> read(std::span<std::byte> out, std::uint64_t offset) {
    while (!out.empty()) {
      const auto block = static_cast<store::BlockIndex>(offset / store::kBlockBytes);
      if (block_ != block) AC_TRY(load(block));
      const auto from = check_.bytes().subspan(offset % store::kBlockBytes);
      const std::size_t length = std::min(from.size(), out.size());
      std::memcpy(out.data(), from.data(), length);
      out = out.subspan(length);
      offset += length;
    }
    return {};
  }

 private:
  CheckedBytes(store::RawCheck check, Object& object) : check_(std::move(check)), object_(object) {}
  base::Result<void> load(store::BlockIndex block) {
    std::uint64_t checksum = 0;
    {
      const base::MutexLock lock(object_.mutex);
      if (object_.is_dropped() || !object_.blocks.is_present(block))
        return base::fail(ErrorKind::cancelled, EINTR, "the object was dropped");
      checksum = object_.blocks.checksum(block);
    }
    block_.reset();
    AC_TRY(check_.check(block, checksum));
    block_ = block;
    return {};
  }

  store::RawCheck check_;
  Object& object_;
  std::optional<store::BlockIndex> block_;  ///< that check_ has
};

}  // namespace

void Packer::start() {
  const base::MutexLock lock(mutex_);
  started_ = !core_.tiers.empty();
  looks_ = true;
  // The first one is the owner's, who waits for it.
  while (started_ && !stopped_ && threads_.size() < wanted_ + 1) {
    threads_.emplace_back([this, number = static_cast<unsigned>(threads_.size())] {
      ::pthread_setname_np(::pthread_self(), "pack");
      run(number);
    });
  }
}

void Packer::stop() {
  std::vector<std::thread> threads;
  {
    const base::MutexLock lock(mutex_);
    stopped_ = true;
    threads = std::move(threads_);
    threads_.clear();
    asked_.clear();
    wake_.notify_all();
  }
  for (auto& thread : threads) thread.join();
}

void Packer::set_threads(unsigned threads) {
  bool is_started = false;
  {
    const base::MutexLock lock(mutex_);
    wanted_ = threads;
    is_started = started_;
    wake_.notify_all();
  }
  if (is_started) start();
}

void Packer::look() {
  const base::MutexLock lock(mutex_);
  looks_ = true;
  wake_.notify_all();
}

void Packer::ask(base::Job job) {
  const base::MutexLock lock(mutex_);
  if (stopped_) return;
  asked_.push_back(std::move(job));
  wake_.notify_all();
}

void Packer::run(unsigned number) {
  if (number > 0) {
    base::use_idle_io_priority();
    base::use_idle_cpu_priority();
  }
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    auto job = next_job(number);
    if (!job) {
      wake_.wait(lock);
      continue;
    }
    lock.unlock();
    job();
    job = nullptr;
    lock.lock();
  }
}

base::Job Packer::next_job(unsigned number) {
  if (number == 0) {
    if (asked_.empty()) return nullptr;
    auto job = std::move(asked_.front());
    asked_.pop_front();
    return job;
  }
  if (number > wanted_ || !looks_ || core_.clock.now() < not_before_) return nullptr;
  auto due = find_due();
  if (due) return [this, due = std::move(due)] { pack_due(due); };
  looks_ = false;
  return nullptr;
}

std::vector<store::ObjectId> Packer::next_to_go() const {
  const auto space = core_.space->numbers();
  const std::uint64_t used = space.reserved_bytes + core_.index->file_bytes();
  const std::uint64_t ahead = std::min(ahead_bytes_.load(), space.limits.capacity_bytes);
  const std::uint64_t full = space.limits.capacity_bytes - ahead;
  if (used <= full) return {};
  return core_.space->next_victims(used - full);
}

std::set<store::ObjectId> Packer::packed_ahead() const {
  const auto next = next_to_go();
  return {next.begin(), next.end()};
}

std::shared_ptr<Object> Packer::find_due() const {
  for (const auto id : next_to_go()) {
    auto object = core_.catalog.find_id(id);
    if (!object || !core_.is_filling(*object->source)) continue;
    if (object->size < object->source->options()->cache.min_size) continue;
    const base::MutexLock lock(object->mutex);
    const bool is_fit = object->life == Life::resident && object->is_settled() && !object->packed;
    if (is_fit && !object->is_packing && !object->pack_failed) return object;
  }
  return nullptr;
}

void Packer::pack_due(const std::shared_ptr<Object>& object) {
  const auto turn = PackingTurn::try_for(object);
  if (!turn.is_ours()) return;
  const auto packed = pack(turn, core_.tiers.front(), [](std::uint64_t /*done*/) {});
  if (packed || packed.error().kind == ErrorKind::cancelled) return;
  base::log_info(base::text("not packed: ", packed.error().what));
  const base::MutexLock lock(mutex_);
  not_before_ = core_.clock.now() + kAfterFailedPack;
}

base::Result<void> Packer::pack(const PackingTurn& turn, const std::shared_ptr<Tier>& tier,
                                const std::function<void(std::uint64_t)>& progress) {
  const std::shared_ptr<Object>& object = turn.object();
  if (!core_.committer.load(object)) return base::fail(ErrorKind::cancelled, EINTR, "it was damaged, and dropped");
  auto done = pack_claimed(object, tier, progress);
  std::shared_ptr<store::RawFile> idle;  // closed without the lock
  {
    const base::MutexLock lock(object->mutex);
    if (!object->is_dropped()) idle = object->take_idle_file();
  }
  if (done || done.error().kind == ErrorKind::cancelled || done.error().kind == ErrorKind::no_space) return done;
  core_.counters.store_errors.add();
  const base::MutexLock lock(object->mutex);
  object->pack_failed = true;
  return done;
}

base::Result<void> Packer::pack_claimed(const std::shared_ptr<Object>& object, const std::shared_ptr<Tier>& tier,
                                        const std::function<void(std::uint64_t)>& progress) {
  AC_ASSIGN(auto bytes, CheckedBytes::open(*core_.tier, *object));
  AC_ASSIGN(const auto file, core_.tier->open_file(object->id));
  const model::TensorTable table = all_tensors(core_.io, file->descriptor(), object->size);
  store::PackRequest request{
      .id = core_.index->next_id(),
      .origin = {},
      .plan = store::plan_chunks(&table, object->size),
      .table = &table,
      .level = tier->level,
      .read = {},
      .make_room = [this, tier](std::uint64_t more) { return core_.tier_room.make(*tier, more); },
      .progress = {}};
  std::optional<base::Error> damage;
  request.read = [&](std::span<std::byte> out, std::uint64_t offset) {
    auto read = bytes.read(out, offset);
    if (!read && read.error().kind != ErrorKind::cancelled) damage = read.error();
    return read;
  };
  request.progress = [&](std::uint64_t done) {
    progress(done);
    const base::MutexLock lock(object->mutex);
    return !core_.stopping.load() && object->life == Life::resident && object->is_settled();
  };
  {
    const base::MutexLock lock(object->mutex);
    if (object->life != Life::resident || !object->is_settled() || object->packed)
      return base::fail(ErrorKind::cancelled, EINTR, "it is not, or no longer, to be packed");
    request.origin = object->describe();
  }
  const auto began = core_.clock.now();
  const auto packed = tier->store->pack(request);
  if (damage) core_.committer.store_failed(object, *damage);
  if (!packed) return std::unexpected(packed.error());
  tier->encoded_bytes.add(object->size);
  tier->encode_ns.add(static_cast<std::uint64_t>((core_.clock.now() - began).count()));
  return keep(object, {.tier = tier, .id = request.id}, request.origin);
}

base::Result<void> Packer::keep(const std::shared_ptr<Object>& object, const PackedPlace& place,
                                const store::ObjectOrigin& described) {
  {
    const base::MutexLock lock(object->mutex);
    if (object->life == Life::resident && !object->packed) {
      object->packed = place;
      object->away.reset();
      object->manifest_due = object->describe() != described;
      core_.index->put(object->row());
      return {};
    }
  }
  core_.drops.remove_packed(place);
  return base::fail(ErrorKind::cancelled, EINTR, "it was dropped while it was packed");
}

}  // namespace arenacache::cache
