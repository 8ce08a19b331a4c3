// SPDX-License-Identifier: Apache-2.0
// Options of one run of the reader: which work, on which files, in which pattern. `bench_reader WORK KEY=VALUE... -- FILE...`.
// Promises: values are whole numbers within sane bounds, or parse_options() says which is not.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "arenacache/base/result.h"

namespace arenacache::bench {

struct Options {
  std::string work{};
  std::vector<std::string> files{};
  std::uint64_t block_bytes = 1ULL << 20U;  ///< of one read or write
  std::uint64_t length_bytes = 0;  ///< 0: all of the file; else no more than its first bytes, or what to write
  std::uint64_t tensor_bytes = 16ULL << 20U;
  std::uint64_t count = 0;  ///< random reads or opens; 0: one a file
  std::uint64_t seed = 1;  ///< of every random order: the same on every subject
  std::uint64_t threads = 1;
  std::uint64_t passes = 1;  ///< measured
  std::uint64_t warmups = 0;  ///< passes before, not measured
  std::uint64_t advise_every = 0;  ///< every so many reads are followed by FADV_DONTNEED; 0: none
  std::chrono::milliseconds limit{0};  ///< stop after so long with what was read; 0: never
  bool sum = false;  ///< add up what read(2) gave, to compare subjects; what is mapped is always added up
  bool direct = false;  ///< O_DIRECT
  bool gate = false;  ///< say "ready" and wait for a line on stdin before what is measured
};

/// ErrorKind::invalid with a sentence that names the argument.
base::Result<Options> parse_options(std::span<char*> arguments);

}  // namespace arenacache::bench
