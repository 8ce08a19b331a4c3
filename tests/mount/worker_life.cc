// SPDX-License-Identifier: Apache-2.0
#include "mount/worker_life.h"

#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX

namespace arenacache::test {

pid_t worker_of(const TestMount& mount) {
  pid_t worker = -1;
  EXPECT_TRUE(TestMount::wait_for([&] {
    worker = mount.client().pid();
    return worker > 0;
  })) << mount.log();
  return worker;
}

pid_t kill_worker(const TestMount& mount) {
  const pid_t worker = worker_of(mount);
  EXPECT_TRUE(worker > 0 && ::kill(worker, SIGKILL) == 0);
  return worker;
}

::testing::AssertionResult is_back(const TestMount& mount, pid_t before) {
  const bool is_there = TestMount::wait_for([&] {
    const pid_t now = mount.client().pid();
    return now > 0 && now != before;
  });
  return is_there ? ::testing::AssertionSuccess() : ::testing::AssertionFailure() << mount.log();
}

}  // namespace arenacache::test
