// SPDX-License-Identifier: Apache-2.0
#include "arenacache/policy/lru_policy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "arenacache/policy/admission_policy.h"

namespace arenacache::policy {
namespace {

Key key(std::uint64_t n) { return Key{n}; }

TEST(LruPolicy, VictimIsTheOldestUse) {
  LruPolicy lru;
  for (std::uint64_t n = 1; n <= 3; ++n) lru.add(key(n));
  EXPECT_EQ(lru.victim(), key(1));
  lru.use(key(1));
  EXPECT_EQ(lru.victim(), key(2));
  lru.remove(key(2));
  EXPECT_EQ(lru.victim(), key(3));
}

TEST(LruPolicy, HeldKeysAreNeverVictimsAndComeBackAsJustUsed) {
  LruPolicy lru;
  lru.add(key(1));
  lru.add(key(2));
  lru.hold(key(1));
  lru.hold(key(1));
  EXPECT_EQ(lru.victim(), key(2));
  lru.release(key(1));
  EXPECT_EQ(lru.victim(), key(2));
  lru.release(key(1));
  EXPECT_EQ(lru.victim(), key(2)) << "the last release counts as a use";
  lru.hold(key(2));
  EXPECT_EQ(lru.victim(), key(1));
  lru.hold(key(1));
  EXPECT_FALSE(lru.victim().has_value());
}

TEST(LruPolicy, ShowsThoseThatWouldGoInTheirOrder) {
  LruPolicy lru;
  for (std::uint64_t n = 1; n <= 4; ++n) lru.add(key(n));
  lru.use(key(1));
  lru.hold(key(3));
  std::vector<Key> seen;
  lru.visit_victims([&](Key one) {
    seen.push_back(one);
    return true;
  });
  EXPECT_EQ(seen, (std::vector<Key>{key(2), key(4), key(1)}));
  seen.clear();
  lru.visit_victims([&](Key one) {
    seen.push_back(one);
    return seen.size() < 2;
  });
  EXPECT_EQ(seen, (std::vector<Key>{key(2), key(4)}));
  EXPECT_EQ(lru.victim(), key(2)) << "none was taken";
}

TEST(LruPolicy, UnknownKeysAreIgnored) {
  LruPolicy lru;
  lru.use(key(9));
  lru.hold(key(9));
  lru.release(key(9));
  lru.remove(key(9));
  EXPECT_EQ(lru.size(), 0U);
}

TEST(LruPolicy, RandomEventsAgreeWithASlowModel) {
  std::mt19937 random(static_cast<unsigned>(::testing::UnitTest::GetInstance()->random_seed()));
  LruPolicy lru;
  std::vector<std::uint64_t> order;            // oldest first, unheld
  std::vector<unsigned> holds(20, 0);
  std::vector<bool> known(20, false);
  const auto erase = [&](std::uint64_t n) { std::erase(order, n); };
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t n = random() % 20;
    switch (random() % 5) {
      case 0:
        lru.add(key(n));
        if (holds[n] == 0) erase(n), order.push_back(n);
        known[n] = true;
        break;
      case 1:
        lru.remove(key(n));
        erase(n);
        known[n] = false;
        holds[n] = 0;
        break;
      case 2:
        lru.use(key(n));
        if (known[n] && holds[n] == 0) erase(n), order.push_back(n);
        break;
      case 3:
        lru.hold(key(n));
        if (known[n]) ++holds[n], erase(n);
        break;
      default:
        lru.release(key(n));
        if (known[n] && holds[n] > 0 && --holds[n] == 0) order.push_back(n);
    }
    lru.check_invariants();
    ASSERT_EQ(lru.victim().has_value(), !order.empty());
    if (!order.empty()) {
      ASSERT_EQ(*lru.victim(), key(order.front()));
    }
  }
}

TEST(AdmissionPolicy, HeadersAtEitherEndAreNoLoad) {
  EXPECT_FALSE(AdmissionPolicy::is_load({.object_blocks = 6000, .touched_blocks = 10, .touched_middle = 0}));
  EXPECT_FALSE(AdmissionPolicy::is_load({.object_blocks = 6000, .touched_blocks = 6, .touched_middle = 1}));
}

TEST(AdmissionPolicy, TwoBlocksInTheMiddleOrMostOfAShortObjectAreALoad) {
  EXPECT_TRUE(AdmissionPolicy::is_load({.object_blocks = 6000, .touched_blocks = 2, .touched_middle = 2}));
  EXPECT_TRUE(AdmissionPolicy::is_load({.object_blocks = 8, .touched_blocks = 5, .touched_middle = 0}));
  EXPECT_FALSE(AdmissionPolicy::is_load({.object_blocks = 8, .touched_blocks = 4, .touched_middle = 0}));
}

TEST(EvictionPolicyFactory, NamesWhatItKnows) {
  EXPECT_TRUE(make_eviction_policy("lru").has_value());
  const auto unknown = make_eviction_policy("clock");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_NE(unknown.error().what.find("lru"), std::string::npos);
}

}  // namespace
}  // namespace arenacache::policy
