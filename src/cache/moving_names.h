// SPDX-License-Identifier: Apache-2.0
// MovingNames: names of one source that are about to be moved by a rename through the mount, or were, and the catalog has not heard
// of it. What the source says of such a name may be of before or after.
// Threads: any. Locks: one mutex, a leaf. Never: asks the origin.
#pragma once

#include <list>
#include <string>

#include "arenacache/base/mutex.h"
#include "arenacache/cache/types.h"

namespace arenacache::cache {

class MovingNames {
 public:
  using Token = std::list<NamePair>::iterator;
  Token begin(NamePair names);
  /// After the catalog was told.
  void end(Token move);
  /// Waits until no move is under way that takes `path` away. Blocks for as long as the origin does.
  void wait(const std::string& path);

 private:
  [[nodiscard]] bool is_moving_locked(const std::string& path) const AC_REQUIRES(mutex_);

  base::Mutex mutex_;
  base::CondVar ended_;
  std::list<NamePair> moves_ AC_GUARDED_BY(mutex_);
};

}  // namespace arenacache::cache
