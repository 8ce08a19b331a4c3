// SPDX-License-Identifier: Apache-2.0
// Whether a request is whole: libfuse looks at no length, and reads what a request speaks of from wherever it should be. The kernel's
// requests are whole; what an earlier worker left lay in memory that it may have written over before it died.
// Threads: any. Never: copies anything.
#pragma once

#include <cstddef>
#include <span>

namespace arenacache::vfs {

/// Whether all that libfuse and the operations read of `request` (head and body, as read from the kernel) lies in it, is no more
/// than the kernel ever asks for, and its names can be names. What is unknown has nothing that could be missing.
[[nodiscard]] bool is_whole(std::span<const std::byte> request);

}  // namespace arenacache::vfs
