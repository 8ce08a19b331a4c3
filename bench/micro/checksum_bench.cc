// SPDX-License-Identifier: Apache-2.0
// The checksum of a block: paid once for every block that comes from the origin, and once for each first read of a stored one.
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "arenacache/base/hash.h"

namespace arenacache::bench {
namespace {

void checksum(benchmark::State& state) {
  const std::vector<std::byte> bytes(static_cast<std::size_t>(state.range(0)), std::byte{0x5a});
  for (auto unused : state) benchmark::DoNotOptimize(base::xxh3_64(std::span(bytes)));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(checksum)->Arg(4 << 10)->Arg(1 << 20);

}  // namespace
}  // namespace arenacache::bench
