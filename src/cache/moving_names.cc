// SPDX-License-Identifier: Apache-2.0
#include "moving_names.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "catalog.h"

namespace arenacache::cache {

MovingNames::Token MovingNames::begin(NamePair names) {
  const base::MutexLock lock(mutex_);
  return moves_.insert(moves_.end(), std::move(names));
}

void MovingNames::end(Token move) {
  const base::MutexLock lock(mutex_);
  moves_.erase(move);
  ended_.notify_all();
}

bool MovingNames::is_moving_locked(const std::string& path) const {
  return std::ranges::any_of(moves_, [&](const NamePair& names) {
    return is_below(path, names.from) || (names.is_exchange && is_below(path, names.to));
  });
}

void MovingNames::wait(const std::string& path) {
  base::MutexLock lock(mutex_);
  while (is_moving_locked(path)) ended_.wait(lock);
}

}  // namespace arenacache::cache
