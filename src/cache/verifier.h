// SPDX-License-Identifier: Apache-2.0
// Verifier: reads what the store has of an object from the disk itself, past the page cache, and compares it with its checksums.
// Done before an object becomes resident, since the kernel may then serve its file unasked, and after a crash of the machine.
// Promises: an object that does not match is dropped, counted and logged. Threads: background jobs. Locks: Object's, never
// across I/O. Never: asks the origin (that is Checker's).
#pragma once

#include <memory>

#include "arenacache/base/result.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Verifier {
 public:
  explicit Verifier(Core& core) : core_(core) {}

  /// Compares every present block. Blocks on the store's disk. ErrorKind::corrupt: some block does not match.
  base::Result<void> verify(Object& object);
  /// In the background, for an object that must be verified: then it is trusted again, or dropped. Once, however often called.
  void start(const std::shared_ptr<Object>& object);

 private:
  Core& core_;
};

}  // namespace arenacache::cache
