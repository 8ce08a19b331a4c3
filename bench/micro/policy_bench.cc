// SPDX-License-Identifier: Apache-2.0
// What every open of a cached file asks of the eviction policy, and what an eviction does; with as many keys as stores have.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <memory>
#include <random>

#include "arenacache/policy/admission_policy.h"
#include "arenacache/policy/eviction_policy.h"

namespace arenacache::bench {
namespace {

using policy::EvictionPolicy;
using policy::Key;

/// Nothing where there is no such policy.
std::unique_ptr<EvictionPolicy> filled(benchmark::State& state, std::uint64_t keys) {
  auto made = policy::make_eviction_policy("lru");
  if (!made) {
    state.SkipWithError(made.error().what.c_str());
    return nullptr;
  }
  for (std::uint64_t key = 0; key < keys; ++key) (*made)->add(Key{key});
  return *std::move(made);
}

void policy_open_and_close(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  const auto order = filled(state, keys);
  if (!order) return;
  std::minstd_rand random;
  for (auto unused : state) {
    const Key key{random() % keys};
    order->hold(key);
    order->release(key);
  }
}
BENCHMARK(policy_open_and_close)->Arg(1'000)->Arg(100'000);

void policy_evict_and_add(benchmark::State& state) {
  const auto keys = static_cast<std::uint64_t>(state.range(0));
  const auto order = filled(state, keys);
  if (!order) return;
  std::uint64_t next = keys;
  for (auto unused : state) {
    const auto victim = order->victim();
    if (victim) order->remove(*victim);
    order->add(Key{next++});
  }
}
BENCHMARK(policy_evict_and_add)->Arg(1'000)->Arg(100'000);

void policy_admission(benchmark::State& state) {
  policy::AccessPattern pattern{.object_blocks = 24'000};
  for (auto unused : state) {
    pattern.touched_blocks = (pattern.touched_blocks + 1) % pattern.object_blocks;
    benchmark::DoNotOptimize(policy::AdmissionPolicy::is_load(pattern));
  }
}
BENCHMARK(policy_admission);

}  // namespace
}  // namespace arenacache::bench
