// SPDX-License-Identifier: Apache-2.0
// An open that comes a second time, for a node whose name has another file by now, while somebody has that node open in a way that cannot
// be shared, or is about to.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fuse.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "arenacache/handover/area.h"
#include "support/fuse_kernel.h"
#include "vfs/fuse_messages.h"
#include "vfs/raced_files.h"

namespace arenacache::vfs {
namespace {

using test::begin_of;
using test::bytes_of;

class SecondTryTest : public ::testing::Test {
 protected:
  static constexpr std::uint32_t kFirstThread = 4'000'000, kSecondThread = 4'000'001;
  static constexpr std::uint64_t kOld = 1, kNew = 2, kNewest = 3;
  static constexpr std::size_t kPageBytes = test::SimulatedMount::kPageBytes;

  void SetUp() override {
    ground_.origin().put("model", content_of(kOld, kRacedBytes));
    kernel_.send(test::init_request());
    mirror_ = test::must(Mirror::start(kernel_.worker_end(), ground_.options(),
                                       {.area = test::must(handover::Area::open(test::must(handover::Area::create()))),
                                        .kept = {},
                                        .after_crash = false,
                                        .gives_up = false},
                                       ground_.engine(), ground_.clock()));
    mirror_->serve();
    kernel_.wait();
  }

  std::uint64_t send(std::uint32_t thread, std::uint32_t opcode, std::uint64_t node, std::string body) {
    return kernel_.send({.opcode = opcode, .node = node, .user = 0, .thread = thread, .body = std::move(body)});
  }
  std::uint64_t send_open(std::uint32_t thread, std::uint64_t node, std::uint32_t flags) {
    return send(thread, FUSE_OPEN, node, bytes_of(fuse_open_in{.flags = flags, .open_flags = 0}));
  }
  test::FuseKernel::Answer answer(std::uint64_t number) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!kernel_.is_answered(number)) {
      AC_CHECK(std::chrono::steady_clock::now() < deadline);
      kernel_.take_all();
      std::this_thread::yield();
    }
    return *kernel_.answer(number);
  }
  test::FuseKernel::Answer read_page(std::uint64_t handle, std::uint64_t node) {
    fuse_read_in read{};
    read.fh = handle;
    read.size = kPageBytes;
    return answer(send(kFirstThread, FUSE_READ, node, bytes_of(read)));
  }
  void write_page(std::uint64_t handle, std::uint64_t node, const std::string& page) {
    fuse_write_in write{};
    write.fh = handle;
    write.size = static_cast<std::uint32_t>(page.size());
    EXPECT_EQ(answer(send(kSecondThread, FUSE_WRITE, node, bytes_of(write) + page)).error, 0);
  }
  void release(std::uint64_t handle, std::uint64_t node) {
    fuse_release_in release{};
    release.fh = handle;
    EXPECT_EQ(answer(send(kSecondThread, FUSE_RELEASE, node, bytes_of(release))).error, 0);
  }
  std::uint64_t node_of_model(std::uint32_t thread = kFirstThread) {
    const auto found = answer(send(thread, FUSE_LOOKUP, FUSE_ROOT_ID, test::name_body("model")));
    AC_CHECK(found.error == 0);
    return begin_of<fuse_entry_out>(found.body).nodeid;
  }

  /// What the first thread is shown, whose open found that another file had got the name.
  std::uint64_t node_found_by_second_lookup() {
    const std::uint64_t gone = node_of_model();
    ground_.origin().replace("model", content_of(kOld, kRacedBytes));
    ground_.clock().advance(2 * kOpenTtl);
    EXPECT_EQ(answer(send_open(kFirstThread, gone, O_RDONLY)).error, ESTALE) << "the first try";
    const std::uint64_t node = node_of_model();
    EXPECT_NE(node, gone);
    return node;
  }

  RaceGround ground_{false};
  test::FuseKernel kernel_;
  std::unique_ptr<Mirror> mirror_;
};

TEST_F(SecondTryTest, GetsTheNewFileThoughTheOldOneIsOpenInAWayThatCannotBeShared) {
  const std::uint64_t node = node_of_model();
  ASSERT_EQ(answer(send_open(kFirstThread, node, O_WRONLY)).error, 0);
  ground_.origin().replace("model", content_of(kNew, kRacedBytes));
  ground_.clock().advance(2 * kOpenTtl);
  ASSERT_NE(node_of_model(), node) << "the name has another node now";

  EXPECT_EQ(answer(send_open(kSecondThread, node, O_RDONLY)).error, ESTALE) << "the first try";
  const auto opened = answer(send_open(kSecondThread, node, O_RDONLY));
  ASSERT_EQ(opened.error, 0);
  const auto got = read_page(begin_of<fuse_open_out>(opened.body).fh, node);
  EXPECT_EQ(got.error, 0);
  EXPECT_EQ(version_in(got.body), kNew);
}

TEST_F(SecondTryTest, IsNoneOnceItsNameWasLookedUpAndHadNoFile) {
  const std::uint64_t gone = node_of_model();
  ground_.origin().erase("model");
  ground_.clock().advance(2 * kOpenTtl);
  ASSERT_EQ(answer(send_open(kFirstThread, gone, O_RDONLY)).error, ESTALE) << "the first try";
  const auto none = answer(send(kFirstThread, FUSE_LOOKUP, FUSE_ROOT_ID, test::name_body("model")));
  ASSERT_TRUE(none.error == ENOENT || begin_of<fuse_entry_out>(none.body).nodeid == 0);

  ground_.origin().put("model", content_of(kOld, kRacedBytes));
  ground_.clock().advance(2 * kOpenTtl);
  const std::uint64_t node = node_of_model(kSecondThread);
  ASSERT_EQ(answer(send_open(kSecondThread, node, O_RDONLY)).error, 0);
  ground_.origin().replace("model", content_of(kNew, kRacedBytes));
  ground_.clock().advance(2 * kOpenTtl);
  EXPECT_EQ(answer(send_open(kFirstThread, node, O_RDONLY)).error, ESTALE) << "it looks up the new file";
}

TEST_F(SecondTryTest, ReadsWhatWasWrittenSinceItsLookupWhereTheNameHasAnotherFileByNow) {
  const std::uint64_t node = node_found_by_second_lookup();
  const auto writer = answer(send_open(kSecondThread, node, O_WRONLY));
  ASSERT_EQ(writer.error, 0);
  ground_.clock().advance(std::chrono::milliseconds(20));
  write_page(begin_of<fuse_open_out>(writer.body).fh, node, content_of(kNew, kPageBytes));
  release(begin_of<fuse_open_out>(writer.body).fh, node);
  ground_.origin().replace("model", content_of(kNewest, kRacedBytes));
  ground_.clock().advance(2 * kOpenTtl);

  const auto opened = answer(send_open(kFirstThread, node, O_RDONLY));
  ASSERT_EQ(opened.error, 0);
  const auto got = read_page(begin_of<fuse_open_out>(opened.body).fh, node);
  EXPECT_EQ(got.error, 0);
  EXPECT_EQ(version_in(got.body), kNew);
}

TEST_F(SecondTryTest, IsToldOfAFileWhoseAttributesNobodyKnowsAndWhichIsReplacedMeanwhile) {
  const std::uint64_t node = node_found_by_second_lookup();

  const auto writer = answer(send_open(kSecondThread, node, O_WRONLY));
  ASSERT_EQ(writer.error, 0);
  ground_.origin().fail_next(test::OriginCall::file_stat, 100, EIO);
  write_page(begin_of<fuse_open_out>(writer.body).fh, node, content_of(kNew, kPageBytes));
  release(begin_of<fuse_open_out>(writer.body).fh, node);
  ground_.origin().fail_next(test::OriginCall::file_stat, 0, 0);
  ground_.origin().replace("model", content_of(kNew, kRacedBytes));
  ground_.clock().advance(2 * kOpenTtl);

  EXPECT_EQ(answer(send(kFirstThread, FUSE_GETATTR, node, bytes_of(fuse_getattr_in{}))).error, 0);
  EXPECT_EQ(answer(send_open(kFirstThread, node, O_RDONLY)).error, 0) << "the kernel comes no third time";
}

}  // namespace
}  // namespace arenacache::vfs
