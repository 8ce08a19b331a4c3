// SPDX-License-Identifier: Apache-2.0
#include "fake_daemon.h"

#include <utility>

#include "run.h"
#include "support/matchers.h"

namespace arenacache::test {

using nlohmann::json;

FakeDaemon::FakeDaemon() { set_mount("/nowhere/source", "/nowhere/mount"); }

void FakeDaemon::answer(const std::string& method, std::vector<base::Result<json>> answers) {
  auto next = std::make_shared<std::size_t>(0);
  methods_.add(method, [this, method, answers = std::move(answers), next](const json& params) {
    const base::MutexLock lock(mutex_);
    if (method != "mounts") requests_.push_back({.method = method, .params = params});
    const std::size_t now = *next;
    if (now + 1 < answers.size()) ++*next;
    return answers[now];
  });
}

void FakeDaemon::set_mount(const std::string& source, const std::string& mountpoint) {
  answer("mounts", {json{{"mounts", {{{"name", "models"}, {"source", source}, {"mountpoint", mountpoint}}}}}});
}

CliRun FakeDaemon::run(std::vector<std::string> arguments, bool is_terminal) {
  if (server_ == nullptr) {
    rpc::ServerOptions options;
    options.socket_path = dir_.path("s");
    server_ = must(rpc::Server::listen(options, methods_, clock_));
    server_->serve();
  }
  arguments.insert(arguments.end(), {"--socket", dir_.path("s")});
  return run_cli(arguments, is_terminal);
}

std::vector<FakeDaemon::Request> FakeDaemon::requests() {
  const base::MutexLock lock(mutex_);
  return requests_;
}

CliRun run_cli(const std::vector<std::string>& arguments, bool is_terminal) {
  std::vector<const char*> argv = {"arenacache"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  std::ostringstream out;
  std::ostringstream err;
  const int code = cli::run(static_cast<int>(argv.size()), argv.data(), out, err, is_terminal);
  return {.exit_code = code, .out = out.str(), .err = err.str()};
}

}  // namespace arenacache::test
