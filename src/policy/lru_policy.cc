// SPDX-License-Identifier: Apache-2.0
#include "arenacache/policy/lru_policy.h"

#include "arenacache/base/result.h"

namespace arenacache::policy {

void LruPolicy::add(Key key) {
  const auto [it, is_new] = entries_.try_emplace(key);
  if (!is_new) return use(key);
  it->second.place = order_.insert(order_.end(), key);
}

void LruPolicy::remove(Key key) {
  const auto it = entries_.find(key);
  if (it == entries_.end()) return;
  if (it->second.holds == 0) order_.erase(it->second.place);
  entries_.erase(it);
}

void LruPolicy::use(Key key) {
  const auto it = entries_.find(key);
  if (it != entries_.end() && it->second.holds == 0) order_.splice(order_.end(), order_, it->second.place);
}

void LruPolicy::hold(Key key) {
  const auto it = entries_.find(key);
  if (it != entries_.end() && it->second.holds++ == 0) order_.erase(it->second.place);
}

void LruPolicy::release(Key key) {
  const auto it = entries_.find(key);
  if (it == entries_.end() || it->second.holds == 0) return;
  if (--it->second.holds == 0) it->second.place = order_.insert(order_.end(), key);
}

std::optional<Key> LruPolicy::victim() const {
  if (order_.empty()) return std::nullopt;
  return order_.front();
}

void LruPolicy::visit_victims(const std::function<bool(Key)>& visit) const {
  for (const Key key : order_) {
    if (!visit(key)) return;
  }
}

void LruPolicy::check_invariants() const {
  std::size_t free_entries = 0;
  for (const auto& [key, entry] : entries_) {
    if (entry.holds > 0) continue;
    AC_CHECK(*entry.place == key);
    ++free_entries;
  }
  AC_CHECK(free_entries == order_.size());
}

}  // namespace arenacache::policy
