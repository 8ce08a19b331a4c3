// SPDX-License-Identifier: Apache-2.0
// The block map on the way of a hit (is what is read present and verified?) and of a fill (which block is missing next?).
#include <benchmark/benchmark.h>

#include <cstdint>

#include "arenacache/store/block_map.h"

namespace arenacache::bench {
namespace {

using store::BlockIndex;
using store::BlockMap;

BlockMap full_map(BlockIndex blocks) {
  BlockMap map(blocks * store::kBlockBytes);
  for (BlockIndex block = 0; block < blocks; ++block) map.set_present(block, block, /*verified=*/true);
  return map;
}

/// A read of 1 MiB that is not aligned: two blocks.
void block_map_hit(benchmark::State& state) {
  const auto blocks = static_cast<BlockIndex>(state.range(0));
  const BlockMap map = full_map(blocks);
  BlockIndex block = 0;
  for (auto unused : state) {
    benchmark::DoNotOptimize(map.is_verified_range(block, 2));
    block = (block + 7) % (blocks - 1);
  }
}
BENCHMARK(block_map_hit)->Arg(64)->Arg(24 << 10);

/// The copier's worst question: everything is there but the last block.
void block_map_last_missing(benchmark::State& state) {
  const auto blocks = static_cast<BlockIndex>(state.range(0));
  BlockMap map = full_map(blocks);
  map.clear(blocks - 1);
  for (auto unused : state) benchmark::DoNotOptimize(map.next_missing(0));
}
BENCHMARK(block_map_last_missing)->Arg(64)->Arg(24 << 10);

/// All of a file, a block after the other; the time is of one block.
void block_map_fill(benchmark::State& state) {
  const auto blocks = static_cast<BlockIndex>(state.range(0));
  while (state.KeepRunningBatch(blocks)) {
    BlockMap map = full_map(blocks);
    benchmark::DoNotOptimize(map.is_complete());
  }
}
BENCHMARK(block_map_fill)->Arg(24 << 10);

}  // namespace
}  // namespace arenacache::bench
