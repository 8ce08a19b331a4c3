// SPDX-License-Identifier: Apache-2.0
// SshServer: an sshd on 127.0.0.1 with keys of its own, and sshfs mounts of folders through it: a slow origin as people have.
// Promises: nothing outside its temporary folder is touched (but sshd's empty /run/sshd, made when missing); the destructor
// unmounts and ends everything it started. Threads: one owner. Never: listens on another address.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "mount/child_process.h"
#include "support/temp_dir.h"

namespace arenacache::test {

class SshServer {
 public:
  /// Why it cannot run here, or empty.
  static std::string missing();

  SshServer();
  ~SshServer();
  SshServer(const SshServer&) = delete;
  SshServer& operator=(const SshServer&) = delete;

  /// Mounts `exported` at `mountpoint` by sshfs, with `options` for its -o. Fails the test when that does not work.
  void mount(const std::string& exported, const std::string& mountpoint, const std::vector<std::string>& options = {});
  void unmount();
  /// The line is cut: whatever is asked or sent from now on gets no answer, until heal().
  void cut();
  void heal();
  /// Ends the connections there are. While the line is cut no new one is made.
  void drop_connections();
  [[nodiscard]] std::string log() const;

 private:
  void make_keys() const;
  void start();
  [[nodiscard]] std::vector<pid_t> sessions() const;

  TempDir dir_;
  std::uint16_t port_ = 0;
  std::unique_ptr<ChildProcess> server_;
  std::unique_ptr<ChildProcess> sshfs_;
  std::string mountpoint_;
  bool is_cut_ = false;
};

}  // namespace arenacache::test
