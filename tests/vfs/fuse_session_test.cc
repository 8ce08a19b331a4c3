// SPDX-License-Identifier: Apache-2.0
// What the kernel would never say, said over a socket in place of /dev/fuse.
#include "fuse_session.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "support/matchers.h"
#include "support/simulated_clock.h"

namespace arenacache::vfs {
namespace {

constexpr std::uint32_t kInit = 26;
constexpr std::uint32_t kWrite = 16;
constexpr std::uint32_t kForget = 2;
constexpr std::uint32_t kNotifyReply = 41;
constexpr std::uint32_t kUnknown = 4000;
constexpr int kPatienceMs = 60'000;

// linux/fuse.h: fuse_in_header, fuse_out_header.
struct RequestHead {
  std::uint32_t length, opcode;
  std::uint64_t number, node;
  std::array<std::uint32_t, 4> caller;
};
struct ReplyHead {
  std::uint32_t length;
  std::int32_t error;
  std::uint64_t number;
};

class FuseSessionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::array<int, 2> ends{};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
    kernel_ = base::UniqueFd(ends[0]);
    std::string init(64, '\0');
    init[0] = 7;  // the protocol's version
    init[4] = 34;
    send(kInit, init);
    area_ = test::must(handover::Area::open(test::must(handover::Area::create())));
    desk_ = std::make_shared<ReplyDesk>(clock_, area_);
    FuseContext context{.fs = nullptr, .desk = desk_, .options = {.threads = 1}, .area = area_};
    session_ = test::must(FuseSession::start(base::UniqueFd(ends[1]), std::move(context)));
    EXPECT_EQ(answer().error, 0);
    session_->begin({});
  }

  std::uint64_t send(std::uint32_t opcode, const std::string& body) {
    const std::uint64_t number = next_ += 2;
    const RequestHead head{.length = static_cast<std::uint32_t>(sizeof head + body.size()),
                           .opcode = opcode,
                           .number = number,
                           .node = 1,
                           .caller = {}};
    const std::string message = std::string(reinterpret_cast<const char*>(&head), sizeof head) + body;
    EXPECT_EQ(::send(kernel_.get(), message.data(), message.size(), 0), static_cast<ssize_t>(message.size()));
    return number;
  }
  ReplyHead answer() const {
    ReplyHead head{};
    pollfd ready{.fd = kernel_.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&ready, 1, kPatienceMs), 1) << "no answer";
    EXPECT_GE(::recv(kernel_.get(), &head, sizeof head, MSG_DONTWAIT), static_cast<ssize_t>(sizeof head));
    return head;
  }
  void expect_answer(std::uint64_t number, int errno_value) const {
    const ReplyHead head = answer();
    EXPECT_EQ(head.number, number);
    EXPECT_EQ(head.error, -errno_value);
  }

  test::SimulatedClock clock_;
  base::UniqueFd kernel_;
  std::uint64_t next_ = 0;
  std::shared_ptr<handover::Area> area_;
  std::shared_ptr<ReplyDesk> desk_;
  std::unique_ptr<FuseSession> session_;
};

TEST_F(FuseSessionTest, ARequestThatIsNotWholeIsRefusedAndTheNextIsTaken) {
  expect_answer(send(kWrite, "cut"), EINVAL);
  std::string body(40, '\0');
  body[18] = 1;  // 64 KiB of data, which are not there
  expect_answer(send(kWrite, body), EINVAL);
  expect_answer(send(kUnknown, ""), ENOSYS);
}

TEST_F(FuseSessionTest, WhatNobodyWaitsForIsNotAnsweredAndLeavesNothing) {
  send(kForget, "cut");
  send(kNotifyReply, "cut");
  send(kNotifyReply, std::string(40, '\0'));
  expect_answer(send(kUnknown, ""), ENOSYS);
  session_->stop();
  EXPECT_TRUE(area_->slots().left().empty());
}

}  // namespace
}  // namespace arenacache::vfs
