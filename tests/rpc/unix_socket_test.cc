// SPDX-License-Identifier: Apache-2.0
#include "unix_socket.h"

#include <grp.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::rpc {
namespace {

using base::ErrorKind;
using test::has_kind;
using test::is_ok;
using test::must;

struct stat status_of(const std::string& path) {
  struct stat out{};
  EXPECT_EQ(::lstat(path.c_str(), &out), 0) << path;
  return out;
}

TEST(UnixSocket, AppearsWithItsModeAndLeavesNothingBeside) {
  const test::TempDir dir;
  const ListeningSocket socket = must(listen_at(dir.path("a/b/s"), ""));
  EXPECT_TRUE(S_ISSOCK(status_of(dir.path("a/b/s")).st_mode));
  EXPECT_EQ(status_of(dir.path("a/b/s")).st_mode & 07777U, 0660U);
  const auto entries = std::filesystem::directory_iterator(dir.path("a/b"));
  EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

TEST(UnixSocket, BelongsToTheGroupThatIsNamed) {
  const test::TempDir dir;
  const struct group* own = ::getgrgid(::getgid());
  ASSERT_NE(own, nullptr);
  const ListeningSocket socket = must(listen_at(dir.path("s"), own->gr_name));
  EXPECT_EQ(status_of(dir.path("s")).st_gid, ::getgid());
}

TEST(UnixSocket, RefusesAGroupThatIsNotThereAndLeavesNothing) {
  const test::TempDir dir;
  EXPECT_TRUE(has_kind(listen_at(dir.path("s"), "no-such-group-here"), ErrorKind::invalid));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(UnixSocket, ReplacesADeadSocket) {
  const test::TempDir dir;
  {
    const ListeningSocket dead = must(listen_at(dir.path("s"), ""));
  }
  ASSERT_TRUE(std::filesystem::exists(dir.path("s")));
  const auto again = listen_at(dir.path("s"), "");
  EXPECT_TRUE(is_ok(again));
}

TEST(UnixSocket, RefusesALiveSocketAndWhatIsNoSocket) {
  const test::TempDir dir;
  const ListeningSocket live = must(listen_at(dir.path("s"), ""));
  const auto second = listen_at(dir.path("s"), "");
  ASSERT_TRUE(has_kind(second, ErrorKind::invalid));
  EXPECT_TRUE(second.error().what.contains("a daemon answers at")) << second.error().what;
  dir.write_file("file", "precious");
  EXPECT_TRUE(has_kind(listen_at(dir.path("file"), ""), ErrorKind::invalid));
  EXPECT_EQ(dir.read_file("file"), "precious");
}

TEST(UnixSocket, RemovesOnlyItsOwnFile) {
  const test::TempDir dir;
  const ListeningSocket socket = must(listen_at(dir.path("s"), ""));
  ASSERT_EQ(::unlink(dir.path("s").c_str()), 0);
  const ListeningSocket other = must(listen_at(dir.path("s"), ""));
  socket.remove_file();
  EXPECT_TRUE(std::filesystem::exists(dir.path("s"))) << "it belongs to the other one";
  other.remove_file();
  EXPECT_FALSE(std::filesystem::exists(dir.path("s")));
}

}  // namespace
}  // namespace arenacache::rpc
