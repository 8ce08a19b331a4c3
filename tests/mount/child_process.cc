// SPDX-License-Identifier: Apache-2.0
#include "mount/child_process.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "arenacache/base/result.h"
#include "support/temp_dir.h"

namespace arenacache::test {
namespace {

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> out;
  out.reserve(words.size() + 1);
  for (auto& word : words) out.push_back(word.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> whole_environment(const std::vector<std::string>& added) {
  std::vector<std::string> out = added;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  return out;
}

/// Runs in the child between fork and exec: only calls that are safe there.
[[noreturn]] void become(const ChildOptions& options, char* const* arguments, char* const* environment) {
  ::setpgid(0, 0);
  if (options.run_as) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(*options.run_as, *options.run_as, *options.run_as) != 0 ||
        ::setresuid(*options.run_as, *options.run_as, *options.run_as) != 0) {
      ::_exit(126);
    }
  }
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (!options.output_path.empty()) {
    const int out = ::open(options.output_path.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0666);
    if (out < 0 || ::dup2(out, 1) < 0 || ::dup2(out, 2) < 0) ::_exit(126);
  }
  ::execve(arguments[0], arguments, environment);
  ::_exit(127);
}

ExitCode exit_code_of(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

ChildProcess::ChildProcess(const ChildOptions& options) {
  auto arguments = options.arguments;
  auto environment = whole_environment(options.environment);
  const auto argument_pointers = pointers(arguments);
  const auto environment_pointers = pointers(environment);
  pid_ = ::fork();
  AC_CHECK(pid_ >= 0);
  if (pid_ == 0) become(options, argument_pointers.data(), environment_pointers.data());
  ::setpgid(pid_, pid_);
  pidfd_ = base::UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  AC_CHECK(pidfd_.is_open());
}

ChildProcess::~ChildProcess() {
  if (exit_code_) return;
  ::kill(-pid_, SIGKILL);
  ::kill(pid_, SIGKILL);
  wait(std::chrono::seconds(10));
}

bool ChildProcess::is_running() { return !wait(std::chrono::milliseconds(0)); }

void ChildProcess::signal(int number) const {
  if (!exit_code_) ::kill(pid_, number);
}

std::optional<ExitCode> ChildProcess::wait(std::chrono::milliseconds patience) {
  if (exit_code_) return exit_code_;
  pollfd event{.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  if (::poll(&event, 1, static_cast<int>(patience.count())) <= 0) return std::nullopt;
  int status = 0;
  if (::waitpid(pid_, &status, 0) == pid_) exit_code_ = exit_code_of(status);
  return exit_code_;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> out;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename().string();
    pid_t candidate = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), candidate).ec != std::errc()) continue;
    std::ifstream in(entry.path() / "stat");
    std::string line;
    std::getline(in, line);
    const auto behind_name = line.rfind(')');  // the name itself may hold anything
    if (behind_name == std::string::npos) continue;
    std::istringstream fields(line.substr(behind_name + 1));
    char state = 0;
    pid_t its_parent = 0;
    if (fields >> state >> its_parent && its_parent == parent) out.push_back(candidate);
  }
  return out;
}

Finished run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds patience,
                     std::optional<uid_t> run_as) {
  const TempDir dir;
  const std::string output_path = dir.path("output");
  if (run_as) AC_CHECK(::chmod(dir.path().c_str(), 0777) == 0);
  ChildProcess child({.arguments = arguments, .output_path = output_path, .run_as = run_as, .environment = {}});
  Finished finished;
  finished.exit_code = child.wait(patience).value_or(-1);
  std::ifstream in(output_path, std::ios::binary);
  finished.output.assign(std::istreambuf_iterator<char>(in), {});
  return finished;
}

std::string find_program(const std::string& name) {
  for (const char* folder : {"/usr/local/bin/", "/usr/bin/", "/bin/", "/usr/local/sbin/", "/usr/sbin/", "/sbin/"}) {
    const std::string path = folder + name;
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

}  // namespace arenacache::test
