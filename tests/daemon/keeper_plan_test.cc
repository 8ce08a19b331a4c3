// SPDX-License-Identifier: Apache-2.0
#include "keeper_plan.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "support/matchers.h"

namespace arenacache::daemon {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;

base::UniqueFd some_fd() { return base::UniqueFd(::open("/", O_PATH | O_CLOEXEC)); }

TEST(Plan, ArrivesAsItWasSent) {
  auto [reader, keeper] = must(FdChannel::create_pair());
  Plan sent{.foreground = true,
            .log_level = base::LogLevel::warn,
            .crash_window = std::chrono::milliseconds(1500),
            .configuration = some_fd(),
            .mounts = {}};
  for (const char* name : {"models", "loras"}) {
    sent.mounts.push_back({.name = name,
                           .mountpoint = "/mnt",
                           .source_name = "arenacache",
                           .readahead_kib = 4096,
                           .facts = "1 2 3 ext4",
                           .source = some_fd(),
                           .place = some_fd()});
  }
  ASSERT_TRUE(is_ok(send_plan(reader, sent)));

  PlanAssembler assembler;
  while (!assembler.is_complete()) {
    auto message = must(keeper.receive());
    ASSERT_TRUE(message.has_value());
    ASSERT_TRUE(is_ok(assembler.add(std::move(*message))));
  }
  const Plan plan = assembler.take();
  EXPECT_TRUE(plan.foreground);
  EXPECT_EQ(plan.log_level, base::LogLevel::warn);
  EXPECT_EQ(plan.crash_window, std::chrono::milliseconds(1500));
  EXPECT_TRUE(plan.configuration.is_open());
  ASSERT_EQ(plan.mounts.size(), 2U);
  EXPECT_EQ(plan.mounts[1].name, "loras");
  EXPECT_EQ(plan.mounts[1].mountpoint, "/mnt");
  EXPECT_EQ(plan.mounts[1].source_name, "arenacache");
  EXPECT_EQ(plan.mounts[1].readahead_kib, 4096U);
  EXPECT_EQ(plan.mounts[1].facts, "1 2 3 ext4");
  EXPECT_TRUE(plan.mounts[1].source.is_open());
  EXPECT_TRUE(plan.mounts[1].place.is_open());
}

TEST(Plan, IsReadFromItsTextAgain) {
  Plan plan{.foreground = true,
            .log_level = base::LogLevel::warn,
            .crash_window = std::chrono::milliseconds(0),
            .configuration = {},
            .mounts = {}};
  plan.mounts.push_back({.name = "models\n1",
                         .mountpoint = "/a b",
                         .source_name = "",
                         .readahead_kib = 7,
                         .facts = "f",
                         .source = {},
                         .place = {}});
  plan.mounts.push_back({.name = "b",
                         .mountpoint = "/b",
                         .source_name = "s",
                         .readahead_kib = 0,
                         .facts = "",
                         .source = {},
                         .place = {}});
  const std::string text = plan_text(plan);
  const Plan read = must(parse_plan_text(text));
  EXPECT_EQ(read.crash_window, std::chrono::milliseconds(0));
  ASSERT_EQ(read.mounts.size(), 2U);
  EXPECT_EQ(read.mounts[0].name, "models\n1");
  EXPECT_EQ(read.mounts[0].readahead_kib, 7U);
  EXPECT_EQ(read.mounts[0].facts, "f");
  EXPECT_EQ(read.mounts[1].mountpoint, "/b");
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    EXPECT_FALSE(parse_plan_text(std::string_view(text).substr(0, cut)).has_value()) << cut;
  }
}

TEST(Plan, RefusesWhatIsNoPlan) {
  PlanAssembler assembler;
  EXPECT_TRUE(has_kind(assembler.add({.kind = MessageKind::ready, .fields = {}, .fds = {}}), ErrorKind::invalid));
  Message odd{.kind = MessageKind::plan, .fields = {"x", "0", "1"}, .fds = {}};
  odd.fds.push_back(some_fd());
  EXPECT_TRUE(has_kind(assembler.add(std::move(odd)), ErrorKind::invalid));
  const std::vector<std::string> head = {"1", "0", "1", "60000"};
  EXPECT_TRUE(has_kind(assembler.add({.kind = MessageKind::plan, .fields = head, .fds = {}}), ErrorKind::invalid))
      << "a plan without the configuration";
  Message plan{.kind = MessageKind::plan, .fields = head, .fds = {}};
  plan.fds.push_back(some_fd());
  ASSERT_TRUE(is_ok(assembler.add(std::move(plan))));
  EXPECT_FALSE(assembler.is_complete());
  EXPECT_TRUE(
      has_kind(assembler.add({.kind = MessageKind::mount, .fields = {"a", "/mnt", "s", "1", "0", ""}, .fds = {}}),
               ErrorKind::invalid))
      << "a mount without its descriptors";
}

}  // namespace
}  // namespace arenacache::daemon
