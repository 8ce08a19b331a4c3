// SPDX-License-Identifier: Apache-2.0
// Checker: compares an object of which only ctime or inode moved (or whose index row was rebuilt) with its origin: samples at
// once, while its readers wait; then, behind their back, every block. A difference drops the object.
// Threads: completions come on the origin's threads. Locks: Object's, never across I/O.
#pragma once

#include <memory>
#include <vector>

#include "arenacache/base/result.h"
#include "object.h"

namespace arenacache::cache {

struct Core;

class Checker {
 public:
  explicit Checker(Core& core) : core_(core) {}

  /// The object's trust is `checking`: compares samples, then lets its readers go on.
  void start(const std::shared_ptr<Object>& object);

 private:
  /// Compares some blocks with the origin's; true when all match, false at the first that does not.
  void compare(const std::shared_ptr<Object>& object, std::vector<store::BlockIndex> blocks,
               std::move_only_function<void(base::Result<bool>)> done);
  void samples_compared(const std::shared_ptr<Object>& object, const base::Result<bool>& matched);
  void compare_all(const std::shared_ptr<Object>& object, store::BlockIndex from);
  void differs(const std::shared_ptr<Object>& object);

  Core& core_;
};

}  // namespace arenacache::cache
