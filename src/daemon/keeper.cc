// SPDX-License-Identifier: Apache-2.0
#include "keeper.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>
#include <string_view>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/handover/area.h"
#include "keeper_terminal.h"

namespace arenacache::daemon {

using base::ErrorKind;
using base::Result;
using base::text;
using base::UniqueFd;

namespace {

/// What the background daemon writes to the process that started it, once it is up.
constexpr char kUp = 'u';

int report(const base::Error& error) {
  base::log_error(error.what);
  return kExitFailure;
}

}  // namespace

int run_keeper(const KeeperOptions& options) {
  base::log_open(base::LogLevel::info, kKeeperName);
  auto stored = StoredDescriptors::take_from_environment();
  ::signal(SIGPIPE, SIG_IGN);
  raise_open_file_limit();  // each open file without a name costs us one
  auto events = Events::create();
  if (!events) return report(events.error());
  return Keeper(options, std::move(*events), Notifier::take_from_environment(), std::move(stored)).run();
}

Keeper::Keeper(const KeeperOptions& options, Events events, Notifier notifier, StoredDescriptors stored)
    : options_(options), events_(std::move(events)), notifier_(std::move(notifier)), stored_(std::move(stored)) {
  std::array<char, PATH_MAX> path{};
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length > 0) program_.assign(path.data(), static_cast<std::size_t>(length));
}

MountRequest Keeper::Mounted::request() const {
  return {.mountpoint = planned.mountpoint, .source_name = planned.source_name, .place = planned.place.get()};
}

int Keeper::run() {
  const bool goes_on = resume();
  std::optional<Ending> ending;
  if (!goes_on) {
    if (const auto code = read_plan()) return *code;
    if (const auto code = go_to_background()) return *code;
    ending = mount_all();
  }
  mount_table_ = UniqueFd(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC));
  if (!ending) {
    store_all();
    const Birth birth{.leaves_terminal = starter_.is_open(),
                      .after_crash = goes_on,
                      .gives_up = plan_.crash_window.count() > 0,
                      .is_cautious = false};
    switch (start_worker(birth, std::nullopt)) {
      case Start::ready:
        announce_ready();
        ending = serve();
        break;
      case Start::failed:
        end_of_worker();
        ending = was_killed_ && !has_said_why_ ? start_another(false) : Ending::failed;
        if (!ending) {
          announce_ready();
          ending = serve();
        } else if (!has_said_why_) {
          // Whoever starts a daemon wants to hear what is wrong, not to wait for it to be tried again.
          base::log_error(text("the worker ", last_end_, "; unmounting"));
        }
        break;
      case Start::asked_to_stop:
        ending = Ending::asked;
        break;
    }
  }
  return take_down(*ending);
}

Result<ChildProcess> Keeper::start_child(const char* role, FdChannel& own_end) const {
  AC_ASSIGN(auto ends, FdChannel::create_pair());
  Program program{.executable = worker_program(),
                  .arguments = {options_.arguments.front(), role, std::to_string(ends.second.fd())},
                  .inherited_fd = ends.second.fd(),
                  .environment = {},
                  .directory = started_in_.get()};
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
    const Event event = wait({.channel = open ? channel.fd() : -1, .process = reader->pidfd()});
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
  configuration_ = std::move(plan_.configuration);
  base::log_open(plan_.log_level, kKeeperName);
  wait_for_end(*reader, options_.kill_deadline);
  return std::nullopt;
}

Result<bool> Keeper::take_plan_message(const FdChannel& channel, PlanAssembler& assembler) {
  AC_ASSIGN(auto message, channel.receive());
  if (!message) return false;
  if (message->kind == MessageKind::failed && !message->fields.empty()) {
    return base::fail(ErrorKind::timeout, ETIMEDOUT, message->fields.front());
  }
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
    const Event event = wait({.channel = answer.get()});
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
    auto area = handover::Area::create();
    if (!area) {
      base::log_error(area.error().what);
      return Ending::failed;
    }
    mounts_.push_back({.planned = std::move(planned), .fuse = std::move(*fuse), .area = std::move(*area), .kept = {}});
  }
  plan_.mounts.clear();
  return std::nullopt;
}

Result<MountedFuse> Keeper::mount(const MountRequest& request) {
  if (::geteuid() == 0) return mount_as_root(request);
  AC_ASSIGN(FusermountCall call, start_fusermount(request));
  while (true) {
    const Event event = wait({.channel = call.channel.fd()});
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

Keeper::Start Keeper::start_worker(const Birth& birth, Deadline deadline) {
  has_said_why_ = false;
  std::array<int, 2> lifeline{};
  if (::pipe2(lifeline.data(), O_CLOEXEC) != 0) {
    base::log_error(base::errno_error(ErrorKind::invalid, errno, "cannot start a worker").what);
    return Start::failed;
  }
  lifeline_ = UniqueFd(lifeline[0]);
  UniqueFd workers_end(lifeline[1]);
  auto worker = start_child(kWorkerRole, worker_channel_);
  if (!worker) {
    base::log_error(worker.error().what);
    return Start::failed;
  }
  worker_ = std::move(*worker);
  // A worker that cannot be reached has ended; await_ready() sees that and says how.
  if (auto sent = send_orders_to(birth, workers_end.get()); !sent) base::log_debug(sent.error().what);
  workers_end.reset();
  const Start start = await_ready(deadline);
  if (start == Start::ready && wished_.is_open()) go_by(std::move(wished_));
  return start;
}

Result<void> Keeper::send_orders_to(const Birth& birth, int lifeline) const {
  std::vector<MountOrderView> views;
  views.reserve(mounts_.size());
  for (const Mounted& mount : mounts_) {
    views.push_back({.name = mount.planned.name,
                     .mountpoint = mount.planned.mountpoint,
                     .facts = mount.planned.facts,
                     .fuse = mount.fuse.fuse.get(),
                     .source = mount.planned.source.get(),
                     .area = mount.area.get(),
                     .kept = &mount.kept});
  }
  const Beside beside{.configuration = wished_.is_open() ? wished_.get() : configuration_.get(), .lifeline = lifeline};
  return send_orders(worker_channel_, birth, beside, views);
}

Keeper::Start Keeper::await_ready(Deadline deadline) {
  while (true) {
    const Event event =
        wait({.channel = worker_channel_.fd(), .process = worker_.pidfd(), .lifeline = lifeline_.get()}, deadline);
    if (event.asks_to_stop()) return Start::asked_to_stop;
    if (event.timed_out) return Start::failed;
    if (event.message) {
      const Heard heard = hear_worker();
      if (heard == Heard::ready) return Start::ready;
      if (heard == Heard::failure || heard == Heard::hung_up) return Start::failed;
    } else if (event.exited || event.is_cut_off) {
      return Start::failed;
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
  started_in_ = UniqueFd(::open(".", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (::chdir("/") != 0) base::log_debug("cannot leave the folder that the daemon was started in");
  let_go_of_terminal();
  left_terminal_ = true;
  if (::write(starter_.get(), &kUp, 1) != 1) base::log_debug("nobody waits for the daemon to be up");
  starter_.reset();
}

Keeper::Ending Keeper::serve() {
  while (true) {
    pass_reload_on();
    const Event event = wait({.channel = worker_channel_.fd(),
                              .process = worker_.pidfd(),
                              .lifeline = lifeline_.get(),
                              .mount_table = mount_table_.get(),
                              .leaving = pidfds_of_leaving()},
                             next_look());
    reap_left();
    look_at_remains();
    if (is_asked_to_stop_) return Ending::asked;
    if (event.mounts_changed) forget_unmounted();
    if (mounts_.empty()) return Ending::asked;
    if (leave_by_ && std::chrono::steady_clock::now() >= *leave_by_) kill_who_does_not_leave();
    const Heard heard = event.message ? hear_worker() : Heard::nothing;
    if (heard == Heard::failure) return Ending::failed;
    if (event.exited || event.is_cut_off || heard == Heard::hung_up) {
      if (const auto ending = replace_worker()) return *ending;
    }
  }
}

void Keeper::pass_reload_on() const {
  // One that is about to leave, or does not hear it, is over soon: the next one is told.
  if (!is_asked_to_reload_ || leave_by_) return;
  is_asked_to_reload_ = !worker_channel_.send(MessageKind::reload).has_value();
}

void Keeper::go_by(UniqueFd configuration) {
  const std::string before = configuration_name();
  configuration_ = std::move(configuration);
  ++configuration_number_;
  notifier_.store(configuration_name(), configuration_.get());
  notifier_.remove(before);
}

Keeper::Heard Keeper::hear_worker() {
  auto message = worker_channel_.receive();
  if (!message && message.error().errno_value == EPROTO) {
    base::log_warn(message.error().what);
    return Heard::nothing;
  }
  if (!message || !*message) return Heard::hung_up;
  const std::string sentence = (*message)->fields.empty() ? std::string() : (*message)->fields.front();
  switch ((*message)->kind) {
    case MessageKind::ready:
      return Heard::ready;
    case MessageKind::failed:
      has_said_why_ = true;
      base::log_error(sentence);
      return Heard::failure;
    case MessageKind::status:
      notifier_.status(sentence);
      return Heard::nothing;
    case MessageKind::keep:
      keep(std::move(**message));
      return Heard::nothing;
    case MessageKind::drop:
      drop(**message);
      return Heard::nothing;
    case MessageKind::configured:
      if ((*message)->fds.size() == 1) go_by(std::move((*message)->fds.front()));
      return Heard::nothing;
    case MessageKind::restart:
      begin_restart(std::move(**message));
      return Heard::nothing;
    default:
      base::log_warn("the worker says something that the keeper does not know");
      return Heard::nothing;
  }
}

Keeper::Mounted* Keeper::mount_named(const std::string& name) {
  const auto found = std::ranges::find(mounts_, name, [](const Mounted& mount) { return mount.planned.name; });
  return found == mounts_.end() ? nullptr : &*found;
}

void Keeper::keep(Message message) {
  const auto order = keep_order_in(message);
  Mounted* const mount = order ? mount_named(order->mount) : nullptr;
  if (mount == nullptr || message.fds.size() != 1) return;
  notifier_.store(kept_name(mount->planned.number, order->handle), message.fds.front().get());
  mount->kept.insert_or_assign(order->handle, std::move(message.fds.front()));
}

void Keeper::drop(const Message& message) {
  const auto order = keep_order_in(message);
  Mounted* const mount = order ? mount_named(order->mount) : nullptr;
  if (mount == nullptr || mount->kept.erase(order->handle) == 0) return;
  notifier_.remove(kept_name(mount->planned.number, order->handle));
}

void Keeper::forget_unmounted() {
  std::erase_if(mounts_, [this](const Mounted& mount) {
    if (is_mounted(mount.request())) return false;
    base::log_warn(text(mount.planned.mountpoint, " was unmounted by somebody else"));
    remove_stored(mount);
    return true;
  });
}

}  // namespace arenacache::daemon
