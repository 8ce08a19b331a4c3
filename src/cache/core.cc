// SPDX-License-Identifier: Apache-2.0
#include "core.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/base/log.h"

namespace arenacache::cache {

Core::Core(EngineDeps deps, store::StoreFolder store_folder, std::shared_ptr<store::RawTier> raw_tier,
           std::unique_ptr<store::Index> store_index, std::shared_ptr<Space> its_space)
    : clock(deps.clock),
      io(deps.io),
      background(deps.background),
      page_cache(deps.page_cache),
      folder(std::move(store_folder)),
      tier(std::move(raw_tier)),
      index(std::move(store_index)),
      space(std::move(its_space)),
      catalog(*this),
      evictor(*this),
      fetcher(*this),
      checker(*this),
      verifier(*this),
      committer(*this),
      copier(*this),
      timers(clock, background),
      read_ahead(clock, io, deps.page_cache),
      scrubber(*this) {}

void Core::distrust_store() {
  if (!trust.lose()) return;
  base::log_warn("every read of the store is checked from now on (no passthrough) until it has been scrubbed");
  scrubber.trust_lost();
}

std::vector<std::pair<std::string, std::uint64_t>> Core::lifetime() const {
  std::vector<std::pair<std::string, std::uint64_t>> sums;
  for (const auto& [name, field] : kLifetimeCounters) {
    const auto earlier = earlier_lives.find(std::string(name));
    const std::uint64_t before = earlier == earlier_lives.end() ? 0 : earlier->second;
    sums.emplace_back(name, before + (counters.*field).value());
  }
  return sums;
}

}  // namespace arenacache::cache
