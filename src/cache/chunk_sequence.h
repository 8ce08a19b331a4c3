// SPDX-License-Identifier: Apache-2.0
// ChunkSequence: tells from the chunks that one reader comes to how far it has gone on in order, at one place or at a few.
// Pure. Threads: the caller's; one at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

namespace arenacache::cache {

class ChunkSequence {
 public:
  /// A read came to chunk `chunk`. Returns how many chunks the reader has come to one after the other, this one the last; 1: it did not
  /// come from the one in front of it.
  std::uint32_t note(std::uint32_t chunk) {
    ++clock_;
    for (Place& place : places_) {
      const bool goes_on = place.used_at > 0 && chunk == place.chunk + 1;
      if (!goes_on && !(place.used_at > 0 && chunk == place.chunk)) continue;
      place.used_at = clock_;
      place.run += goes_on ? 1 : 0;
      place.chunk = chunk;
      return place.run;
    }
    Place& oldest = *std::ranges::min_element(places_, {}, &Place::used_at);
    oldest = {.chunk = chunk, .run = 1, .used_at = clock_};
    return 1;
  }

 private:
  struct Place {
    std::uint32_t chunk = 0;
    std::uint32_t run = 1;
    std::uint64_t used_at = 0;  ///< 0: never
  };
  std::array<Place, 4> places_{};
  std::uint64_t clock_ = 0;
};

}  // namespace arenacache::cache
