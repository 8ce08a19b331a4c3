// SPDX-License-Identifier: Apache-2.0
// What a process of the daemon does when it goes on without the terminal that started it. Threads: one. Locks: none.
#pragma once

namespace arenacache::daemon {

/// Points standard input and output to /dev/null, and standard error too unless it is a file or a socket (the journal): whoever
/// reads our output through a pipe would wait for its end for as long as the daemon lives.
void let_go_of_terminal();

}  // namespace arenacache::daemon
