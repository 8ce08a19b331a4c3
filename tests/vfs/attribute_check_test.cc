// SPDX-License-Identifier: Apache-2.0
// How long a name waits for the origin: over a real engine, an origin that hangs when told, and time that moves when told.
#include "attribute_check.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <utility>

#include "origin_access.h"
#include "support/fake_origin.h"
#include "support/matchers.h"
#include "vfs/filesystem_fixture.h"

namespace arenacache::vfs {
namespace {

using Said = base::Result<origin::Attributes>;
using test::OriginCall;

class AttributeCheckTest : public FilesystemTest {
 protected:
  void SetUp() override {
    origin_->put("model", "weights");
    FilesystemTest::SetUp();
  }

  struct Outcome {
    std::promise<std::optional<Said>> answer;
    std::promise<Said> late;
  };

  std::shared_ptr<Outcome> check(bool is_known) {
    auto outcome = std::make_shared<Outcome>();
    AttributeCheck check;
    check.is_known = is_known;
    check.call = [](origin::Origin& origin) { return origin.stat("model"); };
    check.answer = [outcome](std::optional<Said> said) { outcome->answer.set_value(std::move(said)); };
    check.late = [outcome](Said said) { outcome->late.set_value(std::move(said)); };
    start(fs_, std::move(check));
    return outcome;
  }

  void hang() { origin_->close_gate(OriginCall::stat); }
  /// Lets a known name's patience end while the origin hangs.
  void miss_patience() {
    hang();
    const auto outcome = check(true);
    ASSERT_TRUE(origin_->await_held(OriginCall::stat, 1));
    ASSERT_TRUE(clock_.await_waiters(1));
    clock_.advance(kPatience);
    EXPECT_FALSE(get(outcome->answer).has_value());
    EXPECT_TRUE(fs_->origin_is_slow());
  }

  /// Lets an unknown name's whole timeout end while the origin hangs.
  void miss_timeout() {
    hang();
    const auto outcome = check(false);
    ASSERT_TRUE(origin_->await_held(OriginCall::stat, 1));
    ASSERT_TRUE(clock_.await_waiters(1));
    clock_.advance(kTimeout);
    const auto said = get(outcome->answer);
    ASSERT_TRUE(said.has_value());
    EXPECT_EQ(said->error().errno_value, ETIMEDOUT);
    EXPECT_FALSE(fs_->origin_is_answering());
    ASSERT_TRUE(origin_->await_held(OriginCall::stat, 2)) << "the probe";
  }
};

class NodeCheckTest : public AttributeCheckTest {
 protected:
  void SetUp() override {
    AttributeCheckTest::SetUp();
    const auto attributes = origin_->attributes("model");
    id_ = fs_->nodes().entry_seen({kRootNode, "model"}, attributes, fs_->nodes().stamp(), clock_.now())->id;
    fs_->nodes().data_unknown(id_);
  }

  NodeId id_ = kNoNode;
};

TEST_F(NodeCheckTest, AFileThatChangesMeanwhileIsAskedForAgain) {
  hang();
  std::promise<Seen> seen;
  check_node(fs_, id_, false, [&](const std::optional<NodeSaid>& answer) { seen.set_value(answer.value().seen); });
  ASSERT_TRUE(origin_->await_held(OriginCall::stat, 1));
  fs_->nodes().data_unknown(id_);  // its writer closed it
  origin_->open_gate(OriginCall::stat);
  EXPECT_EQ(get(seen), Seen::taken);
  EXPECT_TRUE(fs_->nodes().state(id_)->has_attributes);
}

TEST_F(NodeCheckTest, WhatIsNotKnownAnyMoreIsWaitedFor) {
  hang();
  static_cast<void>(
      fs_->nodes().attributes_seen(id_, origin_->attributes("model"), fs_->nodes().stamp(), clock_.now()));
  std::promise<bool> has_answer;
  check_node(fs_, id_, true, [&](const std::optional<NodeSaid>& answer) { has_answer.set_value(answer.has_value()); });
  ASSERT_TRUE(origin_->await_held(OriginCall::stat, 1));
  fs_->nodes().data_unknown(id_);
  ASSERT_TRUE(clock_.await_waiters(1));
  clock_.advance(kPatience);
  origin_->open_gate(OriginCall::stat);
  EXPECT_TRUE(get(has_answer));
}

TEST_F(AttributeCheckTest, OriginThatAnswersIsTheAnswer) {
  const auto outcome = check(true);
  const auto said = get(outcome->answer);
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(test::must(*said).st_size, 7);
  EXPECT_FALSE(fs_->origin_is_slow());
}

TEST_F(AttributeCheckTest, KnownNameWaitsItsPatienceAndTheCheckGoesOn) {
  hang();
  const auto outcome = check(true);
  ASSERT_TRUE(origin_->await_held(OriginCall::stat, 1));
  ASSERT_TRUE(clock_.await_waiters(1));
  clock_.advance(kPatience);
  EXPECT_FALSE(get(outcome->answer).has_value());
  origin_->open_gate(OriginCall::stat);
  EXPECT_TRUE(test::is_ok(get(outcome->late)));
  EXPECT_FALSE(fs_->origin_is_slow()) << "a call has come back";
}

TEST_F(AttributeCheckTest, AfterOneMissedPatienceNoKnownNameWaits) {
  miss_patience();
  const auto outcome = check(true);
  EXPECT_FALSE(get(outcome->answer).has_value()) << "without time going by";
}

TEST_F(AttributeCheckTest, HungOriginIsAskedByFewWhoDoNotWait) {
  miss_patience();
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(get(check(true)->answer).has_value());
  EXPECT_LE(origin_->calls(OriginCall::stat), 1U + 8U);
}

TEST_F(AttributeCheckTest, OriginThatIsSlowerThanItIsAskedHasThreadsForWhoMustWait) {
  hang();
  for (int i = 0; i < 30; ++i) {
    fs_->set_origin_slow(false);  // some call has come back: known names wait again
    const auto outcome = check(true);
    ASSERT_TRUE(clock_.await_waiters(1));
    clock_.advance(kPatience);
    EXPECT_FALSE(get(outcome->answer).has_value());
  }
  ASSERT_TRUE(origin_->await_held(OriginCall::stat, 8));
  const auto outcome = check(false);
  EXPECT_TRUE(origin_->await_held(OriginCall::stat, 9)) << "it does not wait for those that nobody waits for";
}

TEST_F(AttributeCheckTest, UnknownNameWaitsForTheOrigin) {
  miss_patience();
  const auto outcome = check(false);
  ASSERT_TRUE(origin_->await_held(OriginCall::stat, 2));
  clock_.advance(std::chrono::seconds(10));
  origin_->open_gate(OriginCall::stat);
  const auto said = get(outcome->answer);
  ASSERT_TRUE(said.has_value());
  EXPECT_TRUE(test::is_ok(*said));
}

TEST_F(AttributeCheckTest, AfterAMissedTimeoutNothingWaitsAndTheOriginIsNotAsked) {
  ASSERT_NO_FATAL_FAILURE(miss_timeout());
  const auto calls = guard_->calls();
  const auto held = origin_->calls(OriginCall::stat);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(get(check(true)->answer).has_value()) << "what is known";
    const auto said = get(check(false)->answer);
    ASSERT_TRUE(said.has_value());
    EXPECT_EQ(said->error().errno_value, ETIMEDOUT);
  }
  EXPECT_EQ(guard_->calls(), calls + 100) << "known names do not even come to the guard";
  EXPECT_EQ(origin_->calls(OriginCall::stat), held);
}

TEST_F(AttributeCheckTest, WhenTheOriginIsBackVersionsAreCheckedAgain) {
  const auto validated = clock_.now();
  ASSERT_NO_FATAL_FAILURE(miss_timeout());
  origin_->open_all_gates();
  await_recovery();
  EXPECT_FALSE(fs_->origin_is_slow());
  EXPECT_GE(fs_->fresh_since(), validated) << "what was known before is in doubt, however young it is";
  const auto said = get(check(true)->answer);
  ASSERT_TRUE(said.has_value()) << "a known name waits for the origin again";
  EXPECT_TRUE(test::is_ok(*said));
}

TEST_F(AttributeCheckTest, FailedOriginHasNotAnsweredWhereSomethingIsKnown) {
  origin_->fail_next(OriginCall::stat, 1'000'000, ENOTCONN);  // probes fail as well
  EXPECT_FALSE(get(check(true)->answer).has_value());
  const auto said = get(check(false)->answer);
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(said->error().errno_value, ENOTCONN);
}

TEST_F(AttributeCheckTest, NoIsAnAnswer) {
  origin_->fail_next(OriginCall::stat, 1, ENOENT);
  const auto said = get(check(true)->answer);
  ASSERT_TRUE(said.has_value());
  EXPECT_EQ(said->error().errno_value, ENOENT);
}

TEST_F(AttributeCheckTest, WithoutServeStaleEverybodyWaits) {
  config::MountConfig mount = config_.mounts[0];
  mount.cache.serve_stale = false;
  fs_->reload(mount);
  hang();
  const auto outcome = check(true);
  ASSERT_TRUE(origin_->await_held(OriginCall::stat, 1));
  clock_.advance(kTimeout - std::chrono::seconds(1));
  origin_->open_gate(OriginCall::stat);
  EXPECT_TRUE(get(outcome->answer).has_value());
}

}  // namespace
}  // namespace arenacache::vfs
