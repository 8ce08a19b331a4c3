// SPDX-License-Identifier: Apache-2.0
// bench_codec: how small and how fast the codec makes weights, beside zstd and LZ4. Prints tables in Markdown.
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "coders.h"
#include "measure.h"
#include "samples.h"

namespace {

using arenacache::bench::Measured;
using arenacache::bench::Sample;

constexpr const char* kUsage =
    "usage: bench_codec [--weights FOLDER] [--rounds N] [--block KIB] [--only TEXT]\n"
    "  --weights: a folder of .safetensors files, measured too (bench/codec/fetch-weights makes one)\n"
    "  --rounds: of which the medians are shown; default 5\n"
    "  --block: what is compressed at a time; default 1024\n"
    "  --only: samples whose name has TEXT in it\n";

struct Options {
  std::string weights;
  std::size_t rounds = 5;
  std::size_t block_bytes = std::size_t{1} << 20;
  std::string only;
};

/// False if an argument is unknown or has no value.
bool parse(std::span<char*> arguments, Options& options) {
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
    const std::string_view name = arguments[i];
    const char* value = arguments[i + 1];
    if (name == "--weights") {
      options.weights = value;
    } else if (name == "--rounds") {
      options.rounds = std::strtoul(value, nullptr, 10);
    } else if (name == "--block") {
      options.block_bytes = std::strtoul(value, nullptr, 10) << 10U;
    } else if (name == "--only") {
      options.only = value;
    } else {
      return false;
    }
  }
  return arguments.size() % 2 == 0 && options.rounds > 0 && options.block_bytes > 0;
}

void print_head(std::span<const Measured> measured) {
  std::printf("\n| weights | as | order-0 bound |");
  for (const Measured& each : measured) std::printf(" %s |", each.coder.c_str());
  std::printf("\n| --- | --- | --- |");
  for (std::size_t i = 0; i < measured.size(); ++i) std::printf(" --- |");
  std::printf("\n");
}

/// "size; GB/s of encoding, of decoding (times zstd -3's)".
void print_row(const Sample& sample, double bound, std::span<const Measured> measured) {
  std::printf("| %s | %s |", sample.weights.c_str(), sample.form.c_str());
  if (bound < 1) std::printf(" %.4f |", bound);
  if (bound >= 1) std::printf(" - |");
  for (const Measured& each : measured) {
    std::printf(" %.4f; %.2f, %.2f", each.ratio, each.encode_rate / 1e9, each.decode_rate / 1e9);
    if (each.coder == "fast") std::printf(" (%.2f, %.2f)", each.encode_to_zstd, each.decode_to_zstd);
    std::printf(" |");
  }
  std::printf("\n");
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  using namespace arenacache;
  Options options;
  if (!parse(std::span(argv, static_cast<std::size_t>(argc)).subspan(1), options)) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  std::vector<Sample> samples = bench::made_samples();
  if (!options.weights.empty()) {
    auto real = bench::real_samples(options.weights);
    if (!real) {
      std::fprintf(stderr, "bench_codec: %s\n", real.error().what.c_str());
      return 1;
    }
    for (Sample& sample : *real) samples.push_back(std::move(sample));
  }
  const auto coders = bench::all_coders();
  bool has_head = false;
  for (const Sample& sample : samples) {
    if (!(sample.weights + " " + sample.form).contains(options.only)) continue;
    const auto measured = bench::measure(sample, coders, options.block_bytes, options.rounds);
    if (!std::exchange(has_head, true)) print_head(measured);
    print_row(sample, bench::order_0_bound(sample, options.block_bytes), measured);
  }
  return 0;
}
