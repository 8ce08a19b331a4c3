// SPDX-License-Identifier: Apache-2.0
// What the kernel is told of an ACL: by an origin that answers, that has none, and that hangs.
#include "acl_access.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "listing_access.h"
#include "support/fake_origin.h"
#include "support/matchers.h"
#include "vfs/filesystem_fixture.h"

namespace arenacache::vfs {
namespace {

using test::OriginCall;

class AclAccessTest : public FilesystemTest {
 protected:
  void SetUp() override {
    origin_->put("folder/model", "weights");
    FilesystemTest::SetUp();
    folder_ = look_up({kRootNode, "folder"}, "folder");
    model_ = look_up({folder_, "model"}, "folder/model");
  }

  NodeId look_up(Name name, const std::string& path) {
    origin::Attributes attributes = origin_->attributes(path);
    attributes.st_mode = (attributes.st_mode & S_IFMT) | 0755;
    return fs_->nodes().entry_seen(name, attributes, fs_->nodes().stamp(), clock_.now())->id;
  }
  std::shared_ptr<std::promise<base::Result<std::string>>> ask(NodeId id) {
    auto answer = std::make_shared<std::promise<base::Result<std::string>>>();
    ask_for_acl(fs_, id, [answer](base::Result<std::string> said) { answer->set_value(std::move(said)); });
    return answer;
  }
  /// The ACL's bytes, or the errno.
  static std::string told(std::promise<base::Result<std::string>>& answer) {
    const auto said = get(answer);
    return said ? *said : std::to_string(said.error().errno_value);
  }
  std::string told(NodeId id) { return told(*ask(id)); }
  void set_acl(const std::string& acl) {
    ASSERT_TRUE(test::is_ok(origin_->set_xattr("folder/model", std::string(kAccessAcl), acl, 0, {})));
  }
  /// Asks while the origin hangs, and lets the patience end.
  std::string told_in_a_hang(NodeId id) {
    origin_->close_gate(OriginCall::xattr);
    const auto answer = ask(id);
    EXPECT_TRUE(origin_->await_held(OriginCall::xattr, 1));
    EXPECT_TRUE(clock_.await_waiters(1));
    clock_.advance(kPatience);
    return told(*answer);
  }
  /// False: it does not become true within twenty seconds.
  template <class Condition>
  static bool becomes_true(const Condition& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition() && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
    return condition();
  }

  const std::string none_ = std::to_string(ENODATA);
  NodeId folder_{};
  NodeId model_{};
};

TEST_F(AclAccessTest, WhileTheOriginAnswersItIsAskedEachTime) {
  EXPECT_EQ(told(model_), none_);
  set_acl("one");
  EXPECT_EQ(told(model_), "one");
  set_acl("two");
  EXPECT_EQ(told(model_), "two");
  ASSERT_TRUE(test::is_ok(origin_->remove_xattr("folder/model", std::string(kAccessAcl), {})));
  EXPECT_EQ(told(model_), none_);
}

TEST_F(AclAccessTest, AnOriginWithoutAclsHasNone) {
  origin_->fail_next(OriginCall::xattr, 1, EOPNOTSUPP);
  EXPECT_EQ(told(model_), none_);
  EXPECT_EQ(told_in_a_hang(folder_), none_) << "none of its files has one";
}

TEST_F(AclAccessTest, OtherErrorsKeepTheFileClosed) {
  for (const int error : {EACCES, EIO, EINVAL}) {
    origin_->fail_next(OriginCall::xattr, 1, error);
    EXPECT_EQ(told(model_), std::to_string(error));
  }
  EXPECT_FALSE(fs_->nodes().acl(model_).has_value());
}

TEST_F(AclAccessTest, WhatWasSaidLastAnswersWhileTheOriginHangs) {
  set_acl("one");
  EXPECT_EQ(told(model_), "one");
  EXPECT_EQ(told(folder_), none_);
  EXPECT_EQ(told_in_a_hang(model_), "one");
  EXPECT_EQ(told(model_), "one") << "without time going by";
  EXPECT_EQ(told(folder_), none_);
}

TEST_F(AclAccessTest, WhatIsNotKnownStaysClosed) {
  origin_->close_gate(OriginCall::xattr);
  origin_->close_gate(OriginCall::stat);  // probes hang too
  const auto answer = ask(model_);
  ASSERT_TRUE(origin_->await_held(OriginCall::xattr, 1));
  ASSERT_TRUE(clock_.await_waiters(1));
  clock_.advance(kTimeout);
  EXPECT_EQ(told(*answer), std::to_string(ETIMEDOUT));
  EXPECT_EQ(told(model_), std::to_string(ETIMEDOUT)) << "at once now";
}

TEST_F(AclAccessTest, WithoutServeStaleNothingIsKnown) {
  EXPECT_EQ(told(model_), none_);
  config::MountConfig mount = config_.mounts[0];
  mount.cache.serve_stale = false;
  fs_->reload(mount);
  origin_->close_gate(OriginCall::xattr);
  const auto answer = ask(model_);
  ASSERT_TRUE(origin_->await_held(OriginCall::xattr, 1));
  ASSERT_TRUE(clock_.await_waiters(1));
  clock_.advance(kTimeout);
  EXPECT_EQ(told(*answer), std::to_string(ETIMEDOUT));
}

TEST_F(AclAccessTest, AnAnswerThatComesLateIsTheLast) {
  EXPECT_EQ(told(model_), none_);
  set_acl("one");
  EXPECT_EQ(told_in_a_hang(model_), none_);
  const auto calls = origin_->calls(OriginCall::xattr);
  origin_->open_gate(OriginCall::xattr);
  learn_acls(*fs_, *origin_, model_);
  EXPECT_EQ(origin_->calls(OriginCall::xattr), calls + 1) << "of the folder";
  EXPECT_TRUE(becomes_true([&] { return fs_->nodes().acl(model_) == "one"; }));
}

TEST_F(AclAccessTest, WhoOpensAFileTeachesItsAclAndThoseAbove) {
  learn_acls_behind(fs_, model_);
  EXPECT_TRUE(becomes_true([&] { return fs_->nodes().acl(model_) && fs_->nodes().acl(folder_); }));
  const auto calls = origin_->calls(OriginCall::xattr);
  EXPECT_EQ(calls, 2U) << "of the top nothing is known yet";
  learn_acls_behind(fs_, model_);
  EXPECT_EQ(origin_->calls(OriginCall::xattr), calls);
  EXPECT_EQ(told_in_a_hang(model_), none_);
}

TEST_F(AclAccessTest, AListingTeachesTheAclOfItsFolder) {
  learn_acls(*fs_, *origin_, folder_);
  EXPECT_EQ(fs_->nodes().acl(folder_), "");
  EXPECT_FALSE(fs_->nodes().acl(model_).has_value());
}

TEST_F(AclAccessTest, WhereOnlyTheOwnerHasRightsNobodyAsks) {
  origin::Attributes attributes = origin_->attributes("folder/model");
  attributes.st_mode = S_IFREG | 0604;
  fs_->nodes().attributes_seen(model_, attributes, fs_->nodes().stamp(), clock_.now());
  EXPECT_EQ(fs_->nodes().take_unknown_acls(model_), std::vector<NodeId>{folder_});
}

TEST_F(AclAccessTest, WhatCouldNotBeLearnedIsAskedForAgain) {
  origin_->fail_next(OriginCall::xattr, 1, ENOTCONN);
  learn_acls_behind(fs_, model_);
  ASSERT_TRUE(origin_->await_calls(OriginCall::xattr, 1));
  std::vector<NodeId> unknown;
  EXPECT_TRUE(becomes_true([&] {
    if (unknown.empty()) unknown = fs_->nodes().take_unknown_acls(model_);
    return !unknown.empty();
  }));
  EXPECT_EQ(unknown.size(), 2U);
}

TEST_F(AclAccessTest, AListedNameKeepsThatItHasNone) {
  std::vector<origin::DirectoryEntry> entries{{.name = "model", .inode = 5, .type = DT_REG}};
  const auto listing = std::make_shared<FolderListing>(std::make_shared<const DirectorySnapshot>(entries, 2, 1),
                                                       clock_.now(), fs_->nodes().stamp());
  listing->set_attributes(*listing->snapshot()->find("model"), fs_->nodes().state(model_)->attributes, clock_.now(),
                          fs_->nodes().stamp());
  keep_listing(*fs_, folder_, "folder", listing);
  EXPECT_FALSE(is_listed_without_acl(*fs_, model_));
  EXPECT_EQ(told(model_), none_);
  EXPECT_TRUE(is_listed_without_acl(*fs_, model_));
  // As after a restart: the listing alone has it.
  fs_->nodes().forget(model_, 1);
  model_ = look_up({folder_, "model"}, "folder/model");
  EXPECT_FALSE(fs_->nodes().acl(model_).has_value());
  EXPECT_EQ(told_in_a_hang(model_), none_);
  const auto calls = origin_->calls(OriginCall::xattr);
  origin_->open_gate(OriginCall::xattr);
  learn_acls(*fs_, *origin_, model_);
  EXPECT_EQ(origin_->calls(OriginCall::xattr), calls + 1) << "of the folder";
  EXPECT_TRUE(becomes_true([&] { return !fs_->origin_is_slow(); }));
  set_acl("one");
  EXPECT_EQ(told(model_), "one");
  EXPECT_FALSE(is_listed_without_acl(*fs_, model_));
}

}  // namespace
}  // namespace arenacache::vfs
