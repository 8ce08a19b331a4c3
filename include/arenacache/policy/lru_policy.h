// SPDX-License-Identifier: Apache-2.0
// LruPolicy: the key whose last use is oldest goes first. Held keys stand aside and come back as just used.
#pragma once

#include <functional>
#include <list>
#include <unordered_map>

#include "arenacache/policy/eviction_policy.h"

namespace arenacache::policy {

class LruPolicy final : public EvictionPolicy {
 public:
  void add(Key key) override;
  void remove(Key key) override;
  void use(Key key) override;
  void hold(Key key) override;
  void release(Key key) override;
  [[nodiscard]] std::optional<Key> victim() const override;
  void visit_victims(const std::function<bool(Key)>& visit) const override;
  [[nodiscard]] std::size_t size() const override { return entries_.size(); }
  void check_invariants() const;

 private:
  // Invariant: an entry is in order_ exactly when holds == 0; front = oldest use.
  struct Entry {
    unsigned holds = 0;
    std::list<Key>::iterator place;
  };
  std::list<Key> order_;
  std::unordered_map<Key, Entry> entries_;
};

}  // namespace arenacache::policy
