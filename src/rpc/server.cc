// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/server.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/executor.h"
#include "arenacache/base/log.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"
#include "arenacache/base/unique_fd.h"
#include "connection.h"
#include "unix_socket.h"

namespace arenacache::rpc {

using base::Duration;
using base::ErrorKind;
using base::fail_errno;
using base::MutexLock;
using base::Result;
using base::text;
using base::TimePoint;
using base::UniqueFd;

namespace {

/// How long the listener is left alone when the process has no descriptor left for another client.
constexpr Duration kAcceptPause = std::chrono::milliseconds(500);

}  // namespace

class Server::Loop {
 public:
  Loop(ServerOptions options, MethodTable methods, base::Clock& clock, ListeningSocket listener, UniqueFd wake)
      : options_(std::move(options)),
        methods_(std::move(methods)),
        clock_(clock),
        listener_(std::move(listener)),
        wake_(std::move(wake)),
        workers_("rpc-worker", options_.workers) {}

  void serve() {
    thread_ = std::thread([this] { run(); });
  }
  void stop();

 private:
  enum class ClientId : std::uint64_t {};
  struct Finished {
    ClientId client{};
    std::string answer;
  };

  // The poll thread.
  void run();
  [[nodiscard]] std::vector<pollfd> poll_set() const;
  [[nodiscard]] int poll_timeout() const;
  [[nodiscard]] std::optional<TimePoint> deadline_of(const Connection& client) const;
  void accept_clients();
  void take_in(UniqueFd fd);
  [[nodiscard]] bool make_room();
  void start_requests();
  void deliver_answers();
  void drop_clients();

  // The workers.
  void run_request(ClientId client, Peer peer, const std::string& line);

  void wake();
  [[nodiscard]] bool is_stopping();

  const ServerOptions options_;
  const MethodTable methods_;
  base::Clock& clock_;
  ListeningSocket listener_;
  UniqueFd wake_;  ///< an eventfd: something finished, or stop
  std::map<ClientId, Connection> clients_;  ///< the poll thread's
  ClientId last_id_{};
  TimePoint accept_from_{};
  base::Mutex mutex_;
  std::vector<Finished> finished_ AC_GUARDED_BY(mutex_);
  bool stopping_ AC_GUARDED_BY(mutex_) = false;
  std::thread thread_;
  base::ThreadPool workers_;  // last: its jobs use everything above
};

void Server::Loop::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  wake();
  if (!listener_.fd.is_open()) return;
  if (thread_.joinable()) thread_.join();
  workers_.stop();
  deliver_answers();  // of methods that ran until now: theirs may be what stops us
  clients_.clear();
  listener_.remove_file();
  listener_.fd.reset();
}

void Server::Loop::run() {
  ::pthread_setname_np(::pthread_self(), "rpc");
  while (!is_stopping()) {
    std::vector<pollfd> fds = poll_set();
    if (::poll(fds.data(), fds.size(), poll_timeout()) < 0 && errno != EINTR) {
      for (pollfd& fd : fds) fd.revents = 0;
    }
    // The set was made in the map's order, which only this thread changes.
    auto client = clients_.begin();
    for (std::size_t i = 2; i < fds.size(); ++i, ++client) client->second.handle(fds[i].revents, clock_.now());
    if (fds[0].revents != 0) deliver_answers();
    if (fds[1].revents != 0) accept_clients();
    start_requests();
    drop_clients();
  }
}

std::vector<pollfd> Server::Loop::poll_set() const {
  const bool takes_clients = clock_.now() >= accept_from_;
  std::vector<pollfd> fds = {{.fd = wake_.get(), .events = POLLIN, .revents = 0},
                             {.fd = takes_clients ? listener_.fd.get() : -1, .events = POLLIN, .revents = 0}};
  for (const auto& [id, client] : clients_) {
    fds.push_back(
        {.fd = client.is_hung_up() ? -1 : client.descriptor(), .events = client.wanted_events(), .revents = 0});
  }
  return fds;
}

int Server::Loop::poll_timeout() const {
  const TimePoint now = clock_.now();
  std::optional<TimePoint> next;
  const auto consider = [&](TimePoint deadline) { next = next ? std::min(*next, deadline) : deadline; };
  if (accept_from_ > now) consider(accept_from_);
  for (const auto& [id, client] : clients_) {
    if (const auto deadline = deadline_of(client)) consider(*deadline);
  }
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - now);
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

std::optional<TimePoint> Server::Loop::deadline_of(const Connection& client) const {
  if (client.is_idle()) return client.since() + options_.idle_timeout;
  if (client.wanted_events() == POLLOUT) return client.since() + options_.answer_timeout;
  return std::nullopt;
}

void Server::Loop::accept_clients() {
  while (true) {
    UniqueFd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd.is_open()) {
      take_in(std::move(fd));
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    if (errno != EAGAIN) accept_from_ = clock_.now() + kAcceptPause;
    return;
  }
}

void Server::Loop::take_in(UniqueFd fd) {
  const TimePoint now = clock_.now();
  Connection client(std::move(fd), options_.max_line_bytes, now);
  if (clients_.size() >= options_.max_clients && !make_room()) {
    client.refuse(
        error_line(ErrorCode::method_failed, text("too many clients: ", options_.max_clients, " are served already")),
        now);
    return;
  }
  last_id_ = ClientId{static_cast<std::uint64_t>(last_id_) + 1};
  clients_.emplace(last_id_, std::move(client));
}

bool Server::Loop::make_room() {
  const TimePoint latest = clock_.now() - options_.minimum_idle;
  auto idlest = clients_.end();
  for (auto it = clients_.begin(); it != clients_.end(); ++it) {
    if (!it->second.is_idle() || it->second.since() > latest) continue;
    if (idlest == clients_.end() || it->second.since() < idlest->second.since()) idlest = it;
  }
  if (idlest == clients_.end()) return false;
  clients_.erase(idlest);
  return true;
}

void Server::Loop::start_requests() {
  for (auto& [id, client] : clients_) {
    if (client.is_overlong()) {
      client.refuse(
          error_line(ErrorCode::invalid_request, text("a line is longer than ", options_.max_line_bytes, " bytes")),
          clock_.now());
    } else if (auto line = client.take_request()) {
      workers_.submit("rpc", [this, client_id = id, peer = client.peer(), request = std::move(*line)] {
        run_request(client_id, peer, request);
      });
    }
  }
}

void Server::Loop::run_request(ClientId client, Peer peer, const std::string& line) {
  const auto note = [&](std::string_view method) {
    base::log_info(text(method, ": asked for by user ", peer.user, ", process ", peer.process));
  };
  std::string answer = answer_line(methods_, line, options_.max_answer_bytes, note);
  {
    const MutexLock lock(mutex_);
    finished_.push_back({.client = client, .answer = std::move(answer)});
  }
  wake();
}

void Server::Loop::deliver_answers() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(wake_.get(), &count, sizeof count);
  std::vector<Finished> finished;
  {
    const MutexLock lock(mutex_);
    finished.swap(finished_);
  }
  for (Finished& one : finished) {
    if (const auto found = clients_.find(one.client); found != clients_.end()) {
      found->second.answer(std::move(one.answer), clock_.now());
    }
  }
}

void Server::Loop::drop_clients() {
  const TimePoint now = clock_.now();
  std::erase_if(clients_, [&](const auto& entry) {
    const auto deadline = deadline_of(entry.second);
    return entry.second.is_finished() || (deadline && *deadline <= now);
  });
}

void Server::Loop::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full: then the poll thread is awake anyhow.
  [[maybe_unused]] const ssize_t put = ::write(wake_.get(), &one, sizeof one);
}

bool Server::Loop::is_stopping() {
  const MutexLock lock(mutex_);
  return stopping_;
}

Result<std::unique_ptr<Server>> Server::listen(ServerOptions options, MethodTable methods, base::Clock& clock) {
  AC_ASSIGN(ListeningSocket listener, listen_at(options.socket_path, options.socket_group));
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake.is_open()) return fail_errno(ErrorKind::store, errno, "cannot make an eventfd");
  auto loop =
      std::make_unique<Loop>(std::move(options), std::move(methods), clock, std::move(listener), std::move(wake));
  return std::unique_ptr<Server>(new Server(std::move(loop)));
}

Server::Server(std::unique_ptr<Loop> loop) : loop_(std::move(loop)) {}

Server::~Server() { stop(); }

void Server::serve() { loop_->serve(); }

void Server::stop() { loop_->stop(); }

}  // namespace arenacache::rpc
