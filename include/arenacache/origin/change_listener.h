// SPDX-License-Identifier: Apache-2.0
// ChangeListener: who wants to hear that an origin changed behind our back. Changes of our own are heard of too.
// Threads: called on the origin's own; must not block. Locks: none is held. Never: misses a change without saying so (`all`).
#pragma once

#include <cstdint>
#include <string>

namespace arenacache::origin {

struct OriginChange {
  enum class Kind : std::uint8_t {
    name,  ///< `name` in `folder` came, went, or is another file now
    attributes,  ///< data or attributes of `name` in `folder`; of `folder` itself where `name` is empty
    all,  ///< changes were missed: anything may have changed
  };
  Kind kind = Kind::all;
  std::string folder;  ///< relative to the source
  std::string name;
  bool is_folder = false;  ///< `name` is or was one: all below it counts too
};

class ChangeListener {
 public:
  virtual ~ChangeListener() = default;
  virtual void changed(const OriginChange& change) = 0;
};

}  // namespace arenacache::origin
