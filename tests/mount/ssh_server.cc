// SPDX-License-Identifier: Apache-2.0
#include "mount/ssh_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/base/tasks.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "mount/test_mount.h"

namespace arenacache::test {
namespace {

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

/// A port that was free just now.
std::uint16_t free_port() {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t length = sizeof address;
  auto* const plain = reinterpret_cast<sockaddr*>(&address);
  if (::bind(fd.get(), plain, length) != 0 || ::getsockname(fd.get(), plain, &length) != 0) return 0;
  return ntohs(address.sin_port);
}

bool is_listening(std::uint16_t port) {
  const base::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  return ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

std::string SshServer::missing() {
  if (::geteuid() != 0) return "a private sshd needs root here";
  for (const char* program : {"sshd", "sshfs", "ssh-keygen"}) {
    if (find_program(program).empty()) return base::text(program, " is not installed");
  }
  return {};
}

SshServer::SshServer() {
  make_keys();
  start();
}

SshServer::~SshServer() {
  heal();
  unmount();
  server_->signal(SIGTERM);
  server_->wait(std::chrono::seconds(5));
}

void SshServer::make_keys() const {
  for (const char* name : {"host", "user"}) {
    const Finished made =
        run_program({find_program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", dir_.path(name)});
    ASSERT_EQ(made.exit_code, 0) << made.output;
  }
  dir_.write_file("authorized_keys", dir_.read_file("user.pub"));
}

void SshServer::start() {
  ::mkdir("/run/sshd", 0755);  // sshd refuses to start without it
  port_ = free_port();
  dir_.write_file("sshd_config",
                  base::text("ListenAddress 127.0.0.1\nPort ", port_, "\nHostKey ", dir_.path("host"), "\nPidFile ",
                             dir_.path("pid"), "\nAuthorizedKeysFile ", dir_.path("authorized_keys"),
                             "\nStrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\n"
                             "Subsystem sftp internal-sftp\n"));
  server_ = std::make_unique<ChildProcess>(
      ChildOptions{.arguments = {find_program("sshd"), "-D", "-e", "-f", dir_.path("sshd_config")},
                   .output_path = dir_.path("log"),
                   .run_as = {},
                   .environment = {}});
  ASSERT_TRUE(TestMount::wait_for([this] { return is_listening(port_) || !server_->is_running(); }) &&
              server_->is_running())
      << log();
}

void SshServer::mount(const std::string& exported, const std::string& mountpoint,
                      const std::vector<std::string>& options) {
  mountpoint_ = mountpoint;
  std::vector<std::string> command{find_program("sshfs"),
                                   "-f",
                                   "root@127.0.0.1:" + exported,
                                   mountpoint,
                                   "-p",
                                   std::to_string(port_),
                                   "-o",
                                   "IdentityFile=" + dir_.path("user"),
                                   "-o",
                                   "IdentitiesOnly=yes",
                                   "-o",
                                   "StrictHostKeyChecking=no",
                                   "-o",
                                   "UserKnownHostsFile=" + dir_.path("known_hosts"),
                                   "-o",
                                   "BatchMode=yes",
                                   "-o",
                                   "allow_other"};
  for (const std::string& option : options) command.insert(command.end(), {"-o", option});
  sshfs_ = std::make_unique<ChildProcess>(
      ChildOptions{.arguments = command, .output_path = dir_.path("log"), .run_as = {}, .environment = {}});
  const bool is_up = TestMount::wait_for([&] { return is_mountpoint(mountpoint) || !sshfs_->is_running(); });
  ASSERT_TRUE(is_up && sshfs_->is_running()) << log();
}

void SshServer::unmount() {
  if (!sshfs_) return;
  ::umount2(mountpoint_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
  sshfs_->wait(std::chrono::seconds(5));
  sshfs_.reset();
}

std::vector<pid_t> SshServer::sessions() const {
  std::vector<pid_t> found = server_->children();
  for (std::size_t i = 0; i < found.size(); ++i) {
    const std::vector<pid_t> below = children_of(found[i]);
    found.insert(found.end(), below.begin(), below.end());
  }
  return found;
}

void SshServer::cut() {
  is_cut_ = true;
  server_->signal(SIGSTOP);  // first: no session begins any more
  for (const pid_t session : sessions()) ::kill(session, SIGSTOP);
  EXPECT_TRUE(TestMount::wait_for([&] {
    return std::ranges::all_of(sessions(), [](pid_t session) {
      return std::ranges::all_of(base::tasks_of(session), [](const base::Task& task) { return task.state == 'T'; });
    });
  }));
}

void SshServer::heal() {
  if (!std::exchange(is_cut_, false)) return;
  for (const pid_t session : sessions()) ::kill(session, SIGCONT);
  server_->signal(SIGCONT);
}

void SshServer::drop_connections() {
  const std::vector<pid_t> found = sessions();
  for (const pid_t session : found) ::kill(session, SIGKILL);
  EXPECT_TRUE(TestMount::wait_for([&] { return std::ranges::all_of(found, base::is_over); }));
}

std::string SshServer::log() const { return dir_.read_file("log"); }

}  // namespace arenacache::test
