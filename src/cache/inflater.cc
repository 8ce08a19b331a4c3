// SPDX-License-Identifier: Apache-2.0
#include "inflater.h"

#include <pthread.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "arenacache/base/buffer.h"
#include "arenacache/base/hash.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"
#include "packing_turn.h"

namespace arenacache::cache {
namespace {

using base::ErrorKind;

std::unexpected<base::Error> dropped_or_changed() {
  return base::fail(ErrorKind::cancelled, EINTR, "it was dropped or changed meanwhile");
}

}  // namespace

void Inflater::start() {
  const base::MutexLock lock(mutex_);
  if (core_.tiers.empty() || stopped_ || thread_.joinable()) return;
  thread_ = std::thread([this] {
    ::pthread_setname_np(::pthread_self(), "unpack");
    run();
  });
}

void Inflater::stop() {
  {
    const base::MutexLock lock(mutex_);
    stopped_ = true;
    wishes_.clear();
    wake_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void Inflater::used(const std::shared_ptr<Object>& object, std::size_t uses) {
  const auto options = object->source->options();
  const unsigned enough = options->cache.promote_after;
  if (enough == 0 || uses < enough || !core_.is_filling(*object->source)) return;
  push({.object = object, .progress = [](std::uint64_t /*done*/) {}, .done = nullptr});
}

void Inflater::ask(const std::shared_ptr<Object>& object, Progress progress, Done done) {
  push({.object = object, .progress = std::move(progress), .done = std::move(done)});
}

void Inflater::push(Wish wish) {
  const base::MutexLock lock(mutex_);
  if (stopped_) return;
  wishes_.push_back(std::move(wish));
  wake_.notify_all();
}

bool Inflater::is_idle() const {
  const base::MutexLock lock(mutex_);
  return wishes_.empty() && !is_busy_;
}

void Inflater::run() {
  base::MutexLock lock(mutex_);
  while (!stopped_) {
    if (wishes_.empty()) {
      wake_.wait(lock);
      continue;
    }
    Wish wish = std::move(wishes_.front());
    wishes_.pop_front();
    is_busy_ = true;
    lock.unlock();
    const auto done = inflate(wish.object, wish.progress);
    if (!done && done.error().kind != ErrorKind::cancelled)
      base::log_info(base::text("not unpacked: ", done.error().what));
    if (wish.done) wish.done(done);
    wish = {};
    lock.lock();
    is_busy_ = false;
  }
}

base::Result<void> Inflater::inflate(const std::shared_ptr<Object>& object, const Progress& progress) {
  const auto turn = PackingTurn::wait_for(object);
  std::optional<PackedPlace> place;
  {
    const base::MutexLock lock(object->mutex);
    if (object->life != Life::packed || !object->is_settled()) return dropped_or_changed();
    place = object->packed;
  }
  auto from = open_packed(*place);
  if (!from) {
    core_.packed_failed(object, from.error());
    return std::unexpected(std::move(from).error());
  }
  const auto fresh = core_.catalog.make_successor(*object);
  fresh->reservation = core_.space->enter(fresh->id);
  const SpaceHold hold(core_.space, fresh->id);
  AC_TRY(core_.evictor.reserve_waiting(*fresh));
  auto made = write_blocks(*from, *fresh, object, progress);
  if (made) made = make_durable(*fresh);
  if (made && !core_.catalog.replace(object, fresh, {.life = Life::resident})) made = dropped_or_changed();
  std::shared_ptr<store::RawFile> idle;  // closed without the lock
  {
    const base::MutexLock lock(fresh->mutex);
    idle = made ? fresh->take_idle_file() : std::exchange(fresh->file, nullptr);
    if (!made) fresh->set_life(Life::dropped);
  }
  if (made) {
    core_.counters.promoted_objects.add();
    core_.counters.promoted_bytes.add(fresh->size);
    core_.packer.look();
    core_.dedup.became_resident(fresh->id);
    return made;
  }
  if (auto removed = core_.tier->remove(fresh->id); !removed) base::log_warn(removed.error().what);
  return made;
}

base::Result<void> Inflater::write_blocks(const PackedFile& from, Object& fresh, const std::shared_ptr<Object>& old,
                                          const Progress& progress) {
  AC_ASSIGN(const auto file, core_.tier->create(fresh.id, fresh.size));
  {
    const base::MutexLock lock(fresh.mutex);
    fresh.file = file;
  }
  AC_TRY(file->allocate(0, fresh.size));
  base::Buffer buffer(store::kBlockBytes);
  for (store::BlockIndex block = 0; block < store::block_count(fresh.size); ++block) {
    const std::uint64_t offset = std::uint64_t{block} * store::kBlockBytes;
    const auto bytes = buffer.span().first(store::block_length(block, fresh.size));
    {
      const base::MutexLock lock(old->mutex);
      if (core_.stopping.load() || old->life != Life::packed || !old->is_settled()) return dropped_or_changed();
    }
    core_.chunks.decode_ahead(from, from.object->chunk_at(offset + bytes.size() - 1));
    if (auto read = core_.chunks.read(from, bytes, offset); !read) {
      core_.packed_failed(old, read.error());
      return read;
    }
    AC_TRY(file->write(bytes, offset));
    progress(offset + bytes.size());
    const base::MutexLock lock(fresh.mutex);
    fresh.blocks.set_present(block, base::xxh3_64(bytes), true);
  }
  return {};
}

base::Result<void> Inflater::make_durable(Object& fresh) {
  std::shared_ptr<store::RawFile> file;
  store::Sidecar sidecar{.id = fresh.id, .origin = {}, .resident = true, .blocks = {}};
  {
    const base::MutexLock lock(fresh.mutex);
    file = fresh.file;
    sidecar.origin = fresh.describe();
    sidecar.blocks = fresh.blocks;
  }
  AC_TRY(file->sync());
  AC_TRY(core_.verifier.verify(fresh));  // the kernel serves it unasked from now on
  AC_TRY(core_.tier->write_sidecar(sidecar));
  AC_ASSIGN(const std::uint64_t allocated, file->refresh_allocated());
  const base::MutexLock lock(fresh.mutex);
  fresh.allocated_bytes = allocated;
  return {};
}

}  // namespace arenacache::cache
