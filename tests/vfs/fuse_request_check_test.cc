// SPDX-License-Identifier: Apache-2.0
#include "fuse_request_check.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>

namespace arenacache::vfs {
namespace {

using namespace std::string_view_literals;

template <class T>
std::string bytes_of(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// A request of `opcode` for node 5, with the head that linux/fuse.h gives it.
std::string request(std::uint32_t opcode, std::string_view body) {
  constexpr std::size_t kHeadBytes = 40;
  std::string made = bytes_of(static_cast<std::uint32_t>(kHeadBytes + body.size())) + bytes_of(opcode) +
                     bytes_of(std::uint64_t{2}) + bytes_of(std::uint64_t{5});
  made.resize(kHeadBytes);
  return made.append(body);
}

bool is_whole(std::string_view bytes) { return vfs::is_whole(std::as_bytes(std::span(bytes))); }
bool is_whole(std::uint32_t opcode, std::string_view body) { return is_whole(request(opcode, body)); }

/// fuse_read_in and fuse_write_in: their size is the number behind file and offset.
std::string sized(std::uint32_t size) { return std::string(16, '\0') + bytes_of(size) + std::string(20, '\0'); }

TEST(FuseRequestCheckTest, WhoseDataARequestChanges) {
  const auto changed = [](std::uint32_t opcode, std::string body) {
    body.resize(96);
    const std::string whole = request(opcode, body);
    return changed_node(std::as_bytes(std::span(whole)));
  };
  constexpr NodeId kNode{5};
  constexpr std::uint32_t kSize = 1U << 3U, kMode = 1U;
  EXPECT_EQ(changed(4, bytes_of(kSize | kMode)), kNode) << "SETATTR";
  EXPECT_EQ(changed(4, bytes_of(kMode)), std::nullopt);
  EXPECT_EQ(changed(14, bytes_of(std::uint32_t{O_RDWR | O_TRUNC})), kNode) << "OPEN";
  EXPECT_EQ(changed(14, bytes_of(std::uint32_t{O_RDWR})), std::nullopt);
  EXPECT_EQ(changed(16, ""), kNode) << "WRITE";
  EXPECT_EQ(changed(43, ""), kNode) << "FALLOCATE";
  EXPECT_EQ(changed(47, std::string(16, '\0') + bytes_of(std::uint64_t{9})), NodeId{9}) << "COPY_FILE_RANGE's target";
  EXPECT_EQ(changed(15, ""), std::nullopt) << "READ";
}

TEST(FuseRequestCheckTest, AHeadThatIsCutIsNotWhole) {
  const std::string statfs = request(17, "");
  EXPECT_TRUE(is_whole(statfs));
  for (std::size_t length = 0; length < statfs.size(); ++length) {
    EXPECT_FALSE(is_whole(std::string_view(statfs).substr(0, length))) << length;
  }
}

TEST(FuseRequestCheckTest, AStructThatIsCutIsNotWhole) {
  EXPECT_TRUE(is_whole(4, std::string(88, '\0'))) << "SETATTR";
  EXPECT_FALSE(is_whole(4, std::string(87, '\0')));
  EXPECT_TRUE(is_whole(4, std::string(96, '\0'))) << "a later kernel may say more";
  EXPECT_TRUE(is_whole(18, std::string(24, '\0'))) << "RELEASE";
  EXPECT_FALSE(is_whole(18, ""));
}

TEST(FuseRequestCheckTest, ANameEndsWithinTheRequestAndCanBeAName) {
  EXPECT_TRUE(is_whole(1, "model.safetensors\0"sv)) << "LOOKUP";
  EXPECT_FALSE(is_whole(1, "model.safetensors"));
  EXPECT_FALSE(is_whole(1, ""));
  for (const std::string_view name : {"\0"sv, ".\0"sv, "..\0"sv, "a/b\0"sv, "../a\0"sv})
    EXPECT_FALSE(is_whole(1, name)) << name;
  EXPECT_TRUE(is_whole(1, "...\0"sv));
  const std::string head(8, '\0');
  EXPECT_TRUE(is_whole(12, head + std::string("a\0b\0"sv))) << "RENAME";
  EXPECT_FALSE(is_whole(12, head + std::string("a\0b"sv)));
  EXPECT_FALSE(is_whole(12, head + std::string("a\0"sv)));
  EXPECT_FALSE(is_whole(12, head + std::string("a\0../b\0"sv)));
}

TEST(FuseRequestCheckTest, TheTargetOfASymlinkIsAnyText) {
  EXPECT_TRUE(is_whole(6, "link\0../elsewhere\0"sv));
  EXPECT_TRUE(is_whole(6, "link\0\0"sv));
  EXPECT_FALSE(is_whole(6, "link\0../elsewhere"sv));
}

TEST(FuseRequestCheckTest, DataIsAsLongAsItsLengthSays) {
  EXPECT_TRUE(is_whole(16, sized(4) + "data")) << "WRITE";
  EXPECT_FALSE(is_whole(16, sized(5) + "data"));
  EXPECT_FALSE(is_whole(16, sized(std::numeric_limits<std::uint32_t>::max()) + "data"));
  const std::string head = bytes_of(std::uint32_t{3}) + bytes_of(std::uint32_t{0});
  EXPECT_TRUE(is_whole(21, head + std::string("user.a\0abc"sv))) << "SETXATTR";
  EXPECT_FALSE(is_whole(21, head + std::string("user.a\0ab"sv)));
  EXPECT_FALSE(is_whole(21, head + "user.a"));
}

TEST(FuseRequestCheckTest, AllForgetsAreThere) {
  const std::string head = bytes_of(std::uint32_t{2}) + bytes_of(std::uint32_t{0});
  EXPECT_TRUE(is_whole(42, head + std::string(32, '\0'))) << "BATCH_FORGET";
  EXPECT_FALSE(is_whole(42, head + std::string(31, '\0')));
}

TEST(FuseRequestCheckTest, NoMoreIsAskedForThanTheKernelAsksFor) {
  for (const std::uint32_t opcode : {15U, 28U, 44U}) {  // READ, READDIR, READDIRPLUS
    EXPECT_TRUE(is_whole(opcode, sized(1U << 20U))) << opcode;
    EXPECT_FALSE(is_whole(opcode, sized(1U << 30U))) << opcode;
  }
}

TEST(FuseRequestCheckTest, WhatIsUnknownIsForLibfuseToRefuse) {
  EXPECT_TRUE(is_whole(7, ""));
  EXPECT_TRUE(is_whole(48, ""));
  EXPECT_TRUE(is_whole(std::numeric_limits<std::uint32_t>::max(), ""));
}

}  // namespace
}  // namespace arenacache::vfs
