// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "file.h"
#include "works.h"

namespace arenacache::bench {
namespace {

using base::Result;
using Bytes = std::span<const std::byte>;

/// The data in parts of tensor_bytes, as a loader asks for them.
std::vector<Bytes> tensors_of(Bytes data, const Options& options, Order order) {
  std::vector<Bytes> tensors;
  for (; !data.empty(); data = data.subspan(tensors.back().size())) {
    tensors.push_back(data.first(std::min<std::size_t>(data.size(), options.tensor_bytes)));
  }
  if (order == Order::shuffled) {
    std::mt19937_64 random(options.seed);
    // Not std::shuffle, whose order differs between standard libraries.
    for (std::size_t left = tensors.size(); left > 1; --left) std::swap(tensors[left - 1], tensors[random() % left]);
  }
  return tensors;
}

}  // namespace

Result<Outcome> read_mapped(const Options& options, Order order, Faults faults) {
  constexpr std::size_t kStep = 256UL << 10U;  // how often the limit is looked at
  const std::string& path = options.files.front();
  Outcome outcome;
  const Stopwatch watch(options.limit);
  {
    AC_ASSIGN(const base::UniqueFd fd, open_file(path, O_RDONLY));
    AC_ASSIGN(const std::uint64_t header, header_bytes(fd, path));
    AC_ASSIGN(const Mapping mapping, Mapping::of(fd, path));
    if (faults == Faults::single_pages) AC_TRY(mapping.advise(MADV_RANDOM, path));
    const std::size_t size = mapping.bytes().size();
    const Bytes all = mapping.bytes().first(options.length_bytes == 0 ? size : std::min(size, options.length_bytes));
    outcome.sum += sum_of(all.first(std::min(header, all.size())));
    outcome.bytes += std::min(header, all.size());
    for (Bytes tensor : tensors_of(all.subspan(outcome.bytes), options, order)) {
      while (!tensor.empty() && outcome.is_complete) {
        const Bytes step = tensor.first(std::min(kStep, tensor.size()));
        outcome.sum += sum_of(step);
        outcome.bytes += step.size();
        tensor = tensor.subspan(step.size());
        if (watch.is_over()) outcome.is_complete = false;
      }
    }
  }
  outcome.seconds = watch.seconds();
  return outcome;
}

}  // namespace arenacache::bench
