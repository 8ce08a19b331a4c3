// SPDX-License-Identifier: Apache-2.0
// Start of the packed tiers: opens them, and brings what is in them and what the index says of them together.
// Threads: the start's. Blocks on their disks.
#pragma once

#include "arenacache/config/config.h"
#include "arenacache/store/index.h"
#include "core.h"
#include "startup.h"

namespace arenacache::cache {

/// Opens the tiers of `config`, with what they hold in found.packed. One that cannot be opened (its disk is not mounted, or fails) is
/// told to the log and away until the next start: nothing that the index knows of it is forgotten. An empty folder is not taken for a
/// tier that had a disk of its own.
void open_tiers(Core& core, const config::Config& config, Found& found);
/// Of a tier that the index does not know (it was lost, or the tier was away then, or is another store's): a row, to be checked, for
/// every copy of a file that has none.
void adopt_copies(Core& core, Found& found);
/// The copy that `row` speaks of: there, away, or gone.
[[nodiscard]] Catalog::Copy copy_of(const Core& core, const Found& found, const store::IndexRow& row);
/// Removes the copies that no object has, in the background: they were being made, or taken back, when the last life ended. After
/// anything but a clean end, what no copy needs too.
void remove_unknown_copies(Core& core, const Found& found);

}  // namespace arenacache::cache
