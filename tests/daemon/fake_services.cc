// SPDX-License-Identifier: Apache-2.0
// Services that need no engine: each mount shows one file, "hello", with what the source's "hello" holds, by a raw FUSE server
// of one thread. What goes wrong is asked for by name:
//   a source with a file "refuse" cannot be started; with "hang_at_stop" stop() never returns; with "mute" nothing is answered
//   after INIT; at a pipe "gate" start() waits until somebody has opened and closed its other end; a file "look" or "change" names a path
//   that a thread as an origin's looks at; looking up "crash" in a mount kills the worker, looking up "restart" asks for another one.
//   Requests lie in the mount's hand-over area, and the next worker begins with what was left there: "crash" kills that one too. One
//   that finds "recover" in the source answers it instead.
#include <fcntl.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "arenacache/base/held_apart.h"
#include "arenacache/base/log.h"
#include "arenacache/handover/area.h"
#include "raw_fuse.h"
#include "worker_services.h"

namespace arenacache::daemon {

namespace {

constexpr std::uint64_t kHelloNode = 2;

bool has_file(int folder, const char* name) { return ::faccessat(folder, name, F_OK, 0) == 0; }

void wait_at_gate(int folder) {
  const base::UniqueFd gate(::openat(folder, "gate", O_RDONLY | O_CLOEXEC));
  char word = 0;
  if (gate.is_open()) static_cast<void>(::read(gate.get(), &word, 1) == 1);
}

/// A thread called `thread` looks at the path in the file `name`, if there is one.
void look_as(int folder, const char* name, const char* thread) {
  const base::UniqueFd file(::openat(folder, name, O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> path{};
  if (!file.is_open() || ::read(file.get(), path.data(), path.size() - 1) <= 0) return;
  std::thread([path, thread] {
    ::pthread_setname_np(::pthread_self(), thread);
    struct stat status{};
    ::stat(path.data(), &status);
  }).detach();
}

class HelloServer {
 public:
  HelloServer(base::UniqueFd fuse, base::UniqueFd source, std::unique_ptr<handover::Area> area,
              std::function<base::Result<void>()> restart)
      : fuse_fd_(std::move(fuse)),
        source_(std::move(source)),
        area_(std::move(area)),
        restart_(std::move(restart)),
        fuse_(fuse_fd_.get()) {
    mute_ = has_file(source_.get(), "mute");
    read_hello();
  }

  bool init() {
    if (area_->is_inherited()) return true;
    if (!fuse_.init()) return false;
    const std::array<std::byte, 1> seen{};
    area_->init().keep_request(seen);
    area_->init().keep_reply(seen);
    return true;
  }

  void serve() {
    for (handover::Slot* slot : area_->slots().left()) {
      fuse_.take(slot->request());
      answer();
      slot->settle();
    }
    handover::Slot& slot = *area_->slots().take();
    while (true) {
      slot.begin();
      const ssize_t got = ::read(fuse_fd_.get(), slot.room().data(), slot.room().size());
      if (got < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOENT)) continue;
      if (got <= 0) return;
      fuse_.take(slot.request());
      if (!mute_) answer();
      if (!wants_restart_) continue;
      slot.settle();
      wants_restart_ = !restart_().has_value();
    }
  }

 private:
  void answer() {
    switch (fuse_.header().opcode) {
      case FUSE_LOOKUP:
        return lookup(fuse_.name());
      case FUSE_GETATTR: {
        fuse_attr_out out{};
        out.attr = attributes(fuse_.header().nodeid);
        return fuse_.reply(&out, sizeof out);
      }
      case FUSE_OPEN: {
        fuse_open_out out{};
        return fuse_.reply(&out, sizeof out);
      }
      case FUSE_READ:
        return fuse_.reply(hello_.data(), hello_.size());
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
      case FUSE_INTERRUPT:
        return;
      case FUSE_FLUSH:
      case FUSE_RELEASE:
        return fuse_.reply(nullptr, 0);
      default:
        return fuse_.fail(ENOSYS);
    }
  }

  void lookup(std::string_view name) {
    if (name == "crash" && !has_file(source_.get(), "recover")) ::raise(SIGKILL);
    wants_restart_ = name == "restart";
    if (name != "hello") return fuse_.fail(ENOENT);
    fuse_entry_out out{};
    out.nodeid = kHelloNode;
    out.attr = attributes(kHelloNode);
    fuse_.reply(&out, sizeof out);
  }

  [[nodiscard]] fuse_attr attributes(std::uint64_t node) const {
    fuse_attr attr{};
    attr.ino = node;
    attr.mode = node == kHelloNode ? S_IFREG | 0644 : S_IFDIR | 0755;
    attr.nlink = 1;
    attr.size = node == kHelloNode ? hello_.size() : 0;
    return attr;
  }

  void read_hello() {
    std::array<char, 4096> bytes{};
    const base::UniqueFd file(::openat(source_.get(), "hello", O_RDONLY | O_CLOEXEC));
    const ssize_t length = file.is_open() ? ::read(file.get(), bytes.data(), bytes.size()) : 0;
    hello_.assign(bytes.data(), static_cast<std::size_t>(length));
  }

  base::UniqueFd fuse_fd_;
  base::UniqueFd source_;
  std::unique_ptr<handover::Area> area_;
  const std::function<base::Result<void>()> restart_;
  RawFuse fuse_;
  bool mute_ = false;
  bool wants_restart_ = false;
  std::string hello_;
};

class FakeServices final : public Services {
 public:
  FakeServices(WorkerTies ties, bool hangs_at_stop)
      : lifeline_(std::move(ties.lifeline)), hangs_at_stop_(hangs_at_stop) {}

  base::Result<void> reload(const config::Config& config) override {
    base::log_info(config.daemon.socket);
    return {};
  }

  void answer_questions() override {}

  void let_changes_go() override { base::log_info("changes are let go"); }

  void leave() override {}

  bool stop() override {
    while (hangs_at_stop_) ::pause();
    // The servers' threads end with the process: a read of /dev/fuse cannot be called off while its mount is in use.
    return true;
  }

 private:
  base::HeldApart lifeline_;
  bool hangs_at_stop_;
};

}  // namespace

base::Result<std::unique_ptr<Services>> Services::start(const config::Config& /*config*/,
                                                        std::vector<MountInput> mounts, WorkerTies ties) {
  const auto restart = std::move(ties.restart);
  bool hangs_at_stop = false;
  for (const MountInput& input : mounts) wait_at_gate(input.source.get());
  for (MountInput& input : mounts) {
    if (has_file(input.source.get(), "refuse")) {
      return base::fail(base::ErrorKind::store, EACCES, "cannot open the store: refused by the test");
    }
    look_as(input.source.get(), "look", "origin-look");
    look_as(input.source.get(), "change", "origin-change");
    hangs_at_stop = hangs_at_stop || has_file(input.source.get(), "hang_at_stop");
    AC_ASSIGN(auto area, handover::Area::open(std::move(input.area)));
    auto server =
        std::make_unique<HelloServer>(std::move(input.fuse), std::move(input.source), std::move(area), restart);
    if (!server->init()) return base::fail(base::ErrorKind::store, EPROTO, "the kernel sent no INIT");
    std::thread([server = std::move(server)] { server->serve(); }).detach();
  }
  return std::make_unique<FakeServices>(std::move(ties), hangs_at_stop);
}

}  // namespace arenacache::daemon
