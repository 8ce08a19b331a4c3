// SPDX-License-Identifier: Apache-2.0
#include "running_daemon.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
extern "C" {  // which glibc 2.36 forgot in this header
#include <sys/pidfd.h>
}
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "arenacache/base/text.h"
#include "keeper_mount_table.h"
#include "mounter.h"

namespace arenacache::daemon {

using base::UniqueFd;

namespace {

constexpr int kDeadlineMs = 30'000;

bool wait_readable(int fd) {
  pollfd polled{.fd = fd, .events = POLLIN, .revents = 0};
  return ::poll(&polled, 1, kDeadlineMs) == 1;
}

UniqueFd listen_for_notifications(const std::string& path) {
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::ranges::copy(path, static_cast<char*>(address.sun_path));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return {};
  ::chmod(path.c_str(), 0777);  // some tests start the daemon as somebody else
  return socket;
}

}  // namespace

bool can_mount() { return ::geteuid() == 0 && ::access("/dev/fuse", R_OK | W_OK) == 0; }

RunningDaemon::RunningDaemon() : mountpoint_(folder_.path("mnt")) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // a daemon in the background is our child again once its starter has ended
  folder_.write_file("source/hello", "from the source");
  for (const char* name : {"mnt", "store"}) folder_.make_dir(name);
}

RunningDaemon::~RunningDaemon() {
  stored_.clear();  // a connection would outlive the daemon by it, and whoever has a file open there could not end
  for (const pid_t child : children_of(::getpid())) kill_and_wait(child);
  for (const pid_t child : children_of(::getpid())) kill_and_wait(child);  // the workers of killed keepers
  while (is_mounted() && ::umount2(mountpoint_.c_str(), MNT_DETACH) == 0) {
  }
}

std::vector<std::string> RunningDaemon::usual_arguments() const {
  return {"--source",          source(), "--mount", mountpoint_, "--store", folder_.path("store"), "--socket",
          folder_.path("sock")};
}

void RunningDaemon::start(const std::vector<std::string>& arguments, Notify notify) {
  arguments_ = arguments;
  Program program{.executable = program_, .arguments = {"arenacached"}, .environment = {}};
  program.arguments.insert(program.arguments.end(), arguments.begin(), arguments.end());
  spawn(std::move(program), notify);
}

void RunningDaemon::start_as_nobody() {
  // A copy, as the build may lie in a folder that nobody may enter.
  const std::string copy = folder_.path("arenacached");
  std::filesystem::copy_file(program_, copy);
  const std::string user = std::to_string(kNobody);
  Program program{.executable = "setpriv",
                  .arguments = {"setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--", copy},
                  .environment = {}};
  const auto arguments = usual_arguments();
  program.arguments.insert(program.arguments.end(), arguments.begin(), arguments.end());
  program.arguments.emplace_back("--foreground");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
    if (::chown(entry.path().c_str(), kNobody, kNobody) != 0) return;
  }
  if (::chown(folder_.path().c_str(), kNobody, kNobody) != 0) return;
  spawn(std::move(program), Notify::listened_to);
}

void RunningDaemon::spawn(Program program, Notify notify, const Starter& starter) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
  stderr_ = UniqueFd(ends[0]);
  const UniqueFd child_stderr(ends[1]);
  if (notify == Notify::listened_to) {
    const std::string path = folder_.path("notify");
    ::unlink(path.c_str());
    notify_ = listen_for_notifications(path);
    program.environment.push_back(base::text("NOTIFY_SOCKET=", path));
  }
  const UniqueFd own_stderr(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
  ::dup2(child_stderr.get(), STDERR_FILENO);
  auto child = starter(program);
  ::dup2(own_stderr.get(), STDERR_FILENO);
  if (child) keeper_ = std::move(*child);
}

bool RunningDaemon::start_and_wait() {
  std::vector<std::string> arguments = usual_arguments();
  arguments.emplace_back("--foreground");
  start(arguments);
  return wait_until_ready();
}

bool RunningDaemon::wait_until_ready() {
  while (true) {
    const std::string said = next_notification();
    if (said.empty() || said.starts_with("READY=1")) return !said.empty();
  }
}

bool RunningDaemon::wait_until_stored(std::string_view prefix, std::size_t count) {
  const auto counted = [&] {
    return std::ranges::count_if(stored_, [&](const auto& one) { return one.first.starts_with(prefix); });
  };
  while (std::cmp_not_equal(counted(), count)) {
    if (next_notification().empty()) return false;
  }
  return true;
}

std::string RunningDaemon::next_notification() {
  std::array<pollfd, 2> polled{pollfd{.fd = notify_.get(), .events = POLLIN, .revents = 0},
                               pollfd{.fd = keeper_.pidfd(), .events = POLLIN, .revents = 0}};
  const bool is_said = ::poll(polled.data(), polled.size(), kDeadlineMs) > 0 && polled[0].revents != 0;
  return is_said ? receive_notification() : std::string();
}

std::string RunningDaemon::receive_notification() {
  std::array<char, 4096> bytes{};
  iovec part{.iov_base = bytes.data(), .iov_len = bytes.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> space{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space.data();
  message.msg_controllen = space.size();
  const ssize_t length = ::recvmsg(notify_.get(), &message, MSG_CMSG_CLOEXEC);
  std::string said(bytes.data(), static_cast<std::size_t>(std::max<ssize_t>(length, 0)));
  UniqueFd stored;
  if (const cmsghdr* const control = CMSG_FIRSTHDR(&message); control != nullptr && control->cmsg_type == SCM_RIGHTS) {
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(control), sizeof descriptor);
    stored = UniqueFd(descriptor);
  }
  constexpr std::string_view kName = "FDNAME=";
  const std::size_t at = said.find(kName);
  if (!keeps_stored_ || at == std::string::npos) return said;
  const std::string name = said.substr(at + kName.size());
  if (said.starts_with("FDSTOREREMOVE=1")) stored_.erase(name);
  if (stored.is_open()) stored_.insert_or_assign(name, std::move(stored));
  return said;
}

bool RunningDaemon::start_with_stored() {
  Program program{.executable = program_, .arguments = {"arenacached"}, .environment = {}};
  program.arguments.insert(program.arguments.end(), arguments_.begin(), arguments_.end());
  spawn(std::move(program), Notify::listened_to,
        [this](const Program& wanted) { return ChildProcess::call([&] { return become_with_stored(wanted); }); });
  return wait_until_ready();
}

int RunningDaemon::become_with_stored(const Program& program) const {
  constexpr int kFirst = 3;  // Source: SD_LISTEN_FDS_START
  constexpr int kAside = 100;  // no place of one is where another one lies
  std::string names;
  std::vector<int> aside;
  for (const auto& [name, descriptor] : stored_) {
    names += base::text(names.empty() ? "" : ":", name);
    aside.push_back(::fcntl(descriptor.get(), F_DUPFD_CLOEXEC, kAside));
  }
  int place = kFirst;
  for (const int descriptor : aside) ::dup2(descriptor, place++);
  std::vector<std::string> environment = program.environment;
  environment.push_back(base::text("LISTEN_PID=", ::getpid()));
  environment.push_back(base::text("LISTEN_FDS=", aside.size()));
  environment.push_back(base::text("LISTEN_FDNAMES=", names));
  for (std::string& variable : environment) ::putenv(variable.data());
  std::vector<std::string> arguments = program.arguments;
  std::vector<char*> pointers;
  pointers.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  ::execv(program.executable.c_str(), pointers.data());
  return 127;
}

std::optional<ExitStatus> RunningDaemon::wait_for_exit() {
  if (!wait_readable(keeper_.pidfd())) return std::nullopt;
  return keeper_.try_reap();
}

bool RunningDaemon::read_log() {
  std::array<char, 4096> bytes{};
  if (!wait_readable(stderr_.get())) return false;
  const ssize_t length = ::read(stderr_.get(), bytes.data(), bytes.size());
  if (length > 0) log_.append(bytes.data(), static_cast<std::size_t>(length));
  return length > 0;
}

bool RunningDaemon::wait_for_log(std::string_view words) {
  while (!log_.contains(words)) {
    if (!read_log()) return false;
  }
  return true;
}

std::vector<pid_t> RunningDaemon::children_of(pid_t parent) {
  std::ifstream file(base::text("/proc/", parent, "/task/", parent, "/children"));
  return {std::istream_iterator<pid_t>(file), {}};
}

void RunningDaemon::kill_and_wait(pid_t pid) {
  ::kill(pid, SIGKILL);
  static_cast<void>(wait_until_gone(pid));
  ::waitpid(pid, nullptr, WNOHANG);
}

bool RunningDaemon::wait_until_gone(pid_t pid) {
  const UniqueFd pidfd(::pidfd_open(pid, 0));
  return !pidfd.is_open() || wait_readable(pidfd.get());
}

bool RunningDaemon::is_mounted() const {
  return std::ranges::any_of(read_mount_table(),
                             [&](const MountEntry& entry) { return entry.mountpoint == mountpoint_; });
}

std::string RunningDaemon::read_hello() const {
  std::ifstream file(mountpoint_ + "/hello");
  std::stringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace arenacache::daemon
