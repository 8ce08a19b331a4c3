// SPDX-License-Identifier: Apache-2.0
// EvictionPolicy: orders keys by what matters least, given events. Pure: no I/O, no clock of its own.
// Promises: victim() is O(1) and never names a held key. Threads: none; the owner guards it. Never: evicts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "arenacache/base/result.h"

namespace arenacache::policy {

/// What the owner calls the things it orders.
enum class Key : std::uint64_t {};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  /// A new key, used just now. A key that is there already counts as used.
  virtual void add(Key key) = 0;
  /// Forgets the key, held or not. Unknown keys are ignored.
  virtual void remove(Key key) = 0;
  /// The key was used now.
  virtual void use(Key key) = 0;
  /// Exempt from victim() until every hold is released (an open, a pin). The last release counts as a use.
  virtual void hold(Key key) = 0;
  virtual void release(Key key) = 0;
  /// The key that matters least, or nothing when every key is held.
  [[nodiscard]] virtual std::optional<Key> victim() const = 0;
  /// Shows those that would be victims, in that order, until `visit` returns false.
  virtual void visit_victims(const std::function<bool(Key)>& visit) const = 0;
  [[nodiscard]] virtual std::size_t size() const = 0;
};

/// The policy named `name` ("lru"). ErrorKind::invalid lists the known names.
base::Result<std::unique_ptr<EvictionPolicy>> make_eviction_policy(std::string_view name);

}  // namespace arenacache::policy
