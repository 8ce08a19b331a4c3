// SPDX-License-Identifier: Apache-2.0
#include "keeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "keeper_terminal.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::text;
using base::UniqueFd;

namespace {

constexpr std::string_view kProcessName = "keeper";
/// What the background daemon writes to the process that started it, once it is up.
constexpr char kUp = 'u';

int report(const base::Error& error) {
  base::log_error(error.what);
  return kExitFailure;
}

}  // namespace

int run_keeper(const KeeperOptions& options) {
  base::log_open(base::LogLevel::info, kProcessName);
  ::signal(SIGPIPE, SIG_IGN);
  auto events = Events::create();
  if (!events) return report(events.error());
  return Keeper(options, std::move(*events), Notifier::take_from_environment()).run();
}

MountRequest Keeper::Mounted::request() const {
  return {.mountpoint = planned.mountpoint, .source_name = planned.source_name, .place = planned.place.get()};
}

int Keeper::run() {
  if (const auto code = read_plan()) return *code;
  if (const auto code = go_to_background()) return *code;
  std::optional<Ending> ending = mount_all();
  if (!ending) ending = start_worker();
  if (!ending) {
    announce_ready();
    ending = serve();
  }
  return take_down(*ending);
}

Result<ChildProcess> Keeper::start_child(const char* role, FdChannel& own_end) const {
  AC_ASSIGN(auto ends, FdChannel::create_pair());
  Program program{.executable = "/proc/self/exe",
                  .arguments = {options_.arguments.front(), role, std::to_string(ends.second.fd())},
                  .inherited_fd = ends.second.fd(),
                  .environment = {}};
  program.arguments.insert(program.arguments.end(), options_.arguments.begin() + 1, options_.arguments.end());
  AC_ASSIGN(ChildProcess child, ChildProcess::spawn(program));
  own_end = std::move(ends.first);
  return child;
}

std::optional<int> Keeper::read_plan() {
  FdChannel channel;
  auto reader = start_child(kReaderRole, channel);
  if (!reader) return report(reader.error());
  PlanAssembler assembler;
  bool open = true;
  while (!assembler.is_complete()) {
    const Event event = events_.wait({.channel = open ? channel.fd() : -1, .process = reader->pidfd()});
    if (event.asks_to_stop()) {
      reader->kill(SIGKILL);  // it may hang in a folder that does not answer; nobody waits for it
      return kExitSuccess;
    }
    if (event.message) {
      auto more = take_plan_message(channel, assembler);
      if (!more) return report(more.error());
      open = *more;
    } else if (event.exited) {
      const auto status = reader->try_reap();
      if (status && status->signal == 0) return status->code;  // it has said why; 0: --help, --version, --check
      base::log_error(text("the process that reads the configuration ", status ? status->describe() : "is gone"));
      return kExitFailure;
    }
  }
  plan_ = assembler.take();
  base::log_open(plan_.log_level, kProcessName);
  wait_for_end(*reader, options_.kill_deadline);
  return std::nullopt;
}

Result<bool> Keeper::take_plan_message(const FdChannel& channel, PlanAssembler& assembler) {
  AC_ASSIGN(auto message, channel.receive());
  if (!message) return false;
  AC_TRY(assembler.add(std::move(*message)));
  return true;
}

std::optional<int> Keeper::go_to_background() {
  if (plan_.foreground || notifier_.is_listened_to()) return std::nullopt;
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return report(base::errno_error(ErrorKind::invalid, errno, "cannot go to the background"));
  }
  const UniqueFd answer(ends[0]);
  starter_ = UniqueFd(ends[1]);
  const pid_t daemon = ::fork();
  if (daemon < 0) return report(base::errno_error(ErrorKind::invalid, errno, "cannot go to the background"));
  if (daemon == 0) {
    ::setsid();
    return std::nullopt;
  }
  starter_.reset();
  while (true) {
    const Event event = events_.wait({.channel = answer.get()});
    if (event.asks_to_stop()) ::kill(daemon, SIGTERM);
    char said = 0;
    if (event.message) return ::read(answer.get(), &said, 1) == 1 && said == kUp ? kExitSuccess : kExitFailure;
  }
}

std::optional<Keeper::Ending> Keeper::mount_all() {
  for (PlannedMount& planned : plan_.mounts) {
    auto fuse =
        mount({.mountpoint = planned.mountpoint, .source_name = planned.source_name, .place = planned.place.get()});
    if (!fuse && fuse.error().kind == ErrorKind::cancelled) return Ending::asked;
    if (!fuse) {
      base::log_error(fuse.error().what);
      return Ending::failed;
    }
    mounts_.push_back({.planned = std::move(planned), .fuse = std::move(*fuse)});
  }
  plan_.mounts.clear();
  mount_table_ = UniqueFd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  return std::nullopt;
}

Result<MountedFuse> Keeper::mount(const MountRequest& request) {
  if (::geteuid() == 0) return mount_as_root(request);
  AC_ASSIGN(FusermountCall call, start_fusermount(request));
  while (true) {
    const Event event = events_.wait({.channel = call.channel.fd()});
    if (event.asks_to_stop()) {
      call.process.kill(SIGKILL);
      return base::fail(ErrorKind::cancelled, EINTR, "told to stop");
    }
    if (!event.message) continue;
    auto mounted = finish_fusermount(call, request);
    wait_for_end(call.process, options_.kill_deadline);
    return mounted;
  }
}

std::optional<Keeper::Ending> Keeper::start_worker() {
  auto worker = start_child(kWorkerRole, worker_channel_);
  if (!worker) {
    base::log_error(worker.error().what);
    return Ending::failed;
  }
  worker_ = std::move(*worker);
  // A worker that cannot be reached has ended; await_ready() sees that and says how.
  if (auto handed = hand_over_mounts(); !handed) base::log_debug(handed.error().what);
  return await_ready();
}

Result<void> Keeper::hand_over_mounts() {
  const std::array<std::string, 2> head{std::to_string(mounts_.size()), starter_.is_open() ? "1" : "0"};
  AC_TRY(worker_channel_.send(MessageKind::start, head));
  for (const Mounted& mount : mounts_) {
    const std::array<std::string, 2> fields{mount.planned.name, mount.planned.mountpoint};
    const std::array<int, 2> fds{mount.fuse.fuse.get(), mount.planned.source.get()};
    AC_TRY(worker_channel_.send(MessageKind::serve, fields, fds));
  }
  return {};
}

std::optional<Keeper::Ending> Keeper::await_ready() {
  while (true) {
    const Event event = events_.wait({.channel = worker_channel_.fd(), .process = worker_.pidfd()});
    if (event.asks_to_stop()) return Ending::asked;
    if (event.message) {
      const Heard heard = hear_worker();
      if (heard == Heard::ready) return std::nullopt;
      if (heard == Heard::failure) return Ending::failed;
    } else if (event.exited) {
      say_worker_ended();
      return Ending::failed;
    }
  }
}

void Keeper::announce_ready() {
  for (const Mounted& mount : mounts_) {
    if (!set_readahead(mount.fuse.bdi_name, mount.planned.readahead_kib)) {
      base::log_debug(text("the readahead of ", mount.planned.mountpoint, " stays as the kernel set it"));
    }
    base::log_info(text(mount.planned.mountpoint, " is served"));
  }
  notifier_.ready(text("serving ", mounts_.size(), mounts_.size() == 1 ? " mount" : " mounts"));
  if (!starter_.is_open()) return;
  if (::chdir("/") != 0) base::log_debug("cannot leave the folder that the daemon was started in");
  let_go_of_terminal();
  if (::write(starter_.get(), &kUp, 1) != 1) base::log_debug("nobody waits for the daemon to be up");
  starter_.reset();
}

Keeper::Ending Keeper::serve() {
  while (true) {
    const Event event =
        events_.wait({.channel = worker_channel_.fd(), .process = worker_.pidfd(), .mount_table = mount_table_.get()});
    if (event.asks_to_stop()) return Ending::asked;
    if (event.message) {
      if (hear_worker() == Heard::failure) return Ending::failed;
    } else if (event.exited) {
      say_worker_ended();
      return Ending::failed;
    }
    if (event.signal == SIGHUP && !worker_channel_.send(MessageKind::reload)) {
      base::log_warn("the worker does not hear that it should read the configuration again");
    }
    if (event.mounts_changed) forget_unmounted();
    if (mounts_.empty()) return Ending::asked;
  }
}

Keeper::Heard Keeper::hear_worker() {
  auto message = worker_channel_.receive();
  if (!message || !*message) {
    say_worker_ended();
    return Heard::failure;
  }
  const std::string sentence = (*message)->fields.empty() ? std::string() : (*message)->fields.front();
  switch ((*message)->kind) {
    case MessageKind::ready:
      return Heard::ready;
    case MessageKind::failed:
      base::log_error(sentence);
      return Heard::failure;
    case MessageKind::status:
      notifier_.status(sentence);
      return Heard::nothing;
    default:
      base::log_warn("the worker says something that the keeper does not know");
      return Heard::nothing;
  }
}

void Keeper::say_worker_ended() {
  const auto status = wait_for_end(worker_, options_.kill_deadline);
  base::log_error(text("the worker ", status ? status->describe() : "hung up", "; unmounting"));
}

void Keeper::forget_unmounted() {
  std::erase_if(mounts_, [](const Mounted& mount) {
    if (is_mounted(mount.request())) return false;
    base::log_warn(text(mount.planned.mountpoint, " was unmounted by somebody else"));
    return true;
  });
}

}  // namespace arenacache::daemon
