// SPDX-License-Identifier: Apache-2.0
// What a request is, before libfuse is given it. Whether it is whole: libfuse looks at no length, and reads what a request speaks of
// from wherever it should be. The kernel's requests are whole; what an earlier worker left lay in memory that it may have written over
// before it died.
// Threads: any. Never: copies anything.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

/// Whether all that libfuse and the operations read of `request` (head and body, as read from the kernel) lies in it, is no more
/// than the kernel ever asks for, and its names can be names. What is unknown has nothing that could be missing.
[[nodiscard]] bool is_whole(std::span<const std::byte> request);

/// Whose data `request`, which is whole, is to change: by a write, a truncation (of an open too), an allocation or a copy. Nothing: none
/// that has a number.
[[nodiscard]] std::optional<NodeId> changed_node(std::span<const std::byte> request);

}  // namespace arenacache::vfs
