// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <filesystem>
#include <string>

#include "arenacache/base/unique_fd.h"
#include "arguments.h"
#include "fake_daemon.h"
#include "support/temp_dir.h"

namespace arenacache::cli {
namespace {

using test::CliRun;
using test::run_cli;

class Rebuild : public testing::Test {
 protected:
  Rebuild() {
    dir_.write_file("VERSION", "1\n");
    dir_.write_file("lock", "");
    dir_.write_file("index.db", "database");
    dir_.write_file("index.db-wal", "journal");
  }
  [[nodiscard]] bool exists(const char* name) const { return std::filesystem::exists(dir_.path(name)); }
  [[nodiscard]] CliRun rebuild() const { return run_cli({"rebuild", "--store", dir_.path()}); }

  test::TempDir dir_;
};

TEST_F(Rebuild, SetsTheIndexAndItsJournalAside) {
  const CliRun run = rebuild();
  EXPECT_EQ(run.exit_code, kExitSuccess) << run.err;
  EXPECT_FALSE(exists("index.db"));
  EXPECT_FALSE(exists("index.db-wal"));
  EXPECT_EQ(dir_.read_file("index.db.before-rebuild"), "database");
  EXPECT_EQ(dir_.read_file("index.db.before-rebuild-wal"), "journal");
}

TEST_F(Rebuild, IsNoFailureWhenItIsDoneAlready) {
  EXPECT_EQ(rebuild().exit_code, kExitSuccess);
  EXPECT_EQ(rebuild().exit_code, kExitSuccess);
  EXPECT_EQ(dir_.read_file("index.db.before-rebuild"), "database") << "the second time there is nothing to set aside";
}

TEST_F(Rebuild, RefusesWhileADaemonHasTheStore) {
  const base::UniqueFd lock(::open(dir_.path("lock").c_str(), O_RDWR | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX | LOCK_NB), 0);
  const CliRun run = rebuild();
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_EQ(run.err, "arenacache: a daemon uses the store " + dir_.path() + ": stop arenacached first\n");
  EXPECT_TRUE(exists("index.db"));
}

TEST_F(Rebuild, RefusesAFolderThatIsNoStore) {
  const test::TempDir other;
  const CliRun run = run_cli({"rebuild", "--store", other.path()});
  EXPECT_EQ(run.exit_code, kExitFailure);
  EXPECT_TRUE(run.err.contains("is no store of arenacache")) << run.err;
  EXPECT_TRUE(std::filesystem::is_empty(other.path()));
}

}  // namespace
}  // namespace arenacache::cli
