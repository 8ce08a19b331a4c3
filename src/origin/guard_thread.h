// SPDX-License-Identifier: Apache-2.0
// What the threads of GuardedOrigin have in common: they are detached, carry a name, and know whose they are.
#pragma once

#include <functional>

namespace arenacache::origin {

/// Runs `body` on a detached thread named `name` (at most 15 characters) that belongs to `owner`. False: no thread to be had.
/// `body` keeps alive what it touches.
bool start_detached(const char* name, const void* owner, std::move_only_function<void()> body);

/// Whether the calling thread was started for `owner`.
[[nodiscard]] bool is_thread_of(const void* owner);

/// Runs a piece of someone else's code; an exception is logged, not passed on. False: there was one.
bool run_guarded(const char* what, std::move_only_function<void()> body);

}  // namespace arenacache::origin
