// SPDX-License-Identifier: Apache-2.0
#include "checker.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "arenacache/base/hash.h"
#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "core.h"
#include "read_path.h"

namespace arenacache::cache {
namespace {

/// An origin that could not be asked is asked again after this.
constexpr auto kCheckAgain = std::chrono::seconds(30);
/// Blocks a step of the full comparison reads.
constexpr store::BlockIndex kStepBlocks = 4;

bool has_block(const Object& object, store::BlockIndex block) AC_REQUIRES(object.mutex) {
  return object.life == Life::packed || object.blocks.is_present(block);
}

/// Are these bytes of the origin what the store has? A store that cannot tell has something else.
bool is_as_stored(Core& core, Object& object, store::BlockIndex block, std::span<const std::byte> bytes) {
  {
    const base::MutexLock lock(object.mutex);
    if (object.life != Life::packed)
      return !object.blocks.is_present(block) || object.blocks.checksum(block) == base::xxh3_64(bytes);
  }
  base::Buffer stored(bytes.size());
  const auto read = read_stored(
      core, object, {.offset = std::uint64_t{block} * store::kBlockBytes, .length = bytes.size()}, stored.span());
  return read && std::ranges::equal(stored.span(), bytes);
}

/// First, middle and last of the blocks that are present.
std::vector<store::BlockIndex> samples_of(const Object& object) AC_REQUIRES(object.mutex) {
  std::vector<store::BlockIndex> present;
  for (store::BlockIndex block = 0; block < store::block_count(object.size); ++block) {
    if (has_block(object, block)) present.push_back(block);
  }
  if (present.size() <= 3) return present;
  return {present.front(), present[present.size() / 2], present.back()};
}

}  // namespace

void Checker::start(const std::shared_ptr<Object>& object) {
  std::vector<store::BlockIndex> samples;
  {
    const base::MutexLock lock(object->mutex);
    samples = samples_of(*object);
  }
  compare(object, std::move(samples), [core = core_.shared_from_this(), object](const base::Result<bool>& matched) {
    core->checker.samples_compared(object, matched);
  });
}

void Checker::compare(const std::shared_ptr<Object>& object, std::vector<store::BlockIndex> blocks,
                      std::move_only_function<void(base::Result<bool>)> done) {
  const origin::LookTerms terms{.timeout = object->source->options()->origin.timeout,
                                .asks_again = object->source->guarded->fidelity().is_network};
  const auto read = [core = core_.shared_from_this(), object,
                     blocks = std::move(blocks)](origin::Origin& origin) -> base::Result<bool> {
    base::Buffer buffer(store::kBlockBytes);
    for (const store::BlockIndex block : blocks) {
      const auto bytes = buffer.span().first(store::block_length(block, object->size));
      AC_TRY(Fetcher::read_version(origin, *object, bytes, std::uint64_t{block} * store::kBlockBytes));
      object->source->read_ops.add();
      object->source->read_bytes.add(bytes.size());
      if (!is_as_stored(*core, *object, block, bytes)) return false;
    }
    return true;
  };
  object->source->guarded->look<bool>(terms, read, std::move(done));
}

void Checker::samples_compared(const std::shared_ptr<Object>& object, const base::Result<bool>& matched) {
  if ((matched && !*matched) || (!matched && matched.error().kind == base::ErrorKind::stale)) return differs(object);
  std::vector<base::Job> waiting;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped()) return;  // its readers were let go by the drop
    object->trust = Trust::trusted;
    object->full_check_due = true;
    object->row_due = true;
    waiting = std::exchange(object->waiting_for_trust, {});
  }
  for (auto& job : waiting) job();
  const auto next = [core = core_.shared_from_this(), object] { core->checker.compare_all(object, 0); };
  if (matched) {
    core_.background.submit("check", next);
  } else {
    // The origin cannot be asked: the last known version is served meanwhile, as cache.serve_stale says of opens.
    core_.timers.schedule(core_.clock.now() + kCheckAgain, "check", next);
  }
}

void Checker::compare_all(const std::shared_ptr<Object>& object, store::BlockIndex from) {
  std::vector<store::BlockIndex> step;
  store::BlockIndex next = from;
  {
    const base::MutexLock lock(object->mutex);
    if (object->is_dropped() || core_.stopping.load()) return;
    for (; next < store::block_count(object->size) && step.size() < kStepBlocks; ++next) {
      if (has_block(*object, next)) step.push_back(next);
    }
    if (step.empty()) {
      object->full_check_due = false;
      object->row_due = true;
      return;
    }
  }
  compare(object, std::move(step),
          [core = core_.shared_from_this(), object, from, next](const base::Result<bool>& matched) {
            if (matched && *matched) return core->checker.compare_all(object, next);
            if (matched || matched.error().kind == base::ErrorKind::stale) return core->checker.differs(object);
            core->timers.schedule(core->clock.now() + kCheckAgain, "check",
                                  [core, object, from] { core->checker.compare_all(object, from); });
          });
}

void Checker::differs(const std::shared_ptr<Object>& object) {
  std::string path;
  {
    const base::MutexLock lock(object->mutex);
    path = object->path;
    object->refuted = true;
  }
  base::log_info(base::text(object->source->name, ": ", path, " differs from its cached copy, which is dropped"));
  core_.catalog.drop(object);
}

}  // namespace arenacache::cache
