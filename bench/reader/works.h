// SPDX-License-Identifier: Apache-2.0
// The works: each does one pass over Options::files and times it from the first open to the last close, without allocating.
#pragma once

#include "arenacache/base/result.h"
#include "options.h"
#include "outcome.h"

namespace arenacache::bench {

/// read(2) or, with several files, one thread a file at once.
base::Result<Outcome> read_in_order(const Options& options);
/// Writes length_bytes of random words to the one file, fsync and close included.
base::Result<Outcome> write_in_order(const Options& options);

enum class Order { file, shuffled };
enum class Faults { by_kernel, single_pages };
/// Reads the header, then every word of a mapping, tensor by tensor. single_pages: under MADV_RANDOM.
base::Result<Outcome> read_mapped(const Options& options, Order order, Faults faults);

/// `count` reads of block_bytes at random places, aligned.
base::Result<Outcome> read_at_random(const Options& options);
/// `threads` threads read one open file again and again, `passes` times after one that is not measured.
base::Result<Outcome> read_again(const Options& options);

enum class Look { nothing, header, first_block };
/// Opens, looks, closes: each file in turn, `count` times in all; every one is timed.
base::Result<Outcome> open_and_look(const Options& options, Look look);

/// Bytes in the page cache of the files named on stdin, a line each; those that are gone count nothing.
base::Result<Outcome> resident();

}  // namespace arenacache::bench
