// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/server.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <nlohmann/json.hpp>

#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"
#include "arenacache/rpc/client.h"
#include "raw_client.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::rpc {
namespace {

using base::Result;
using base::text;
using nlohmann::json;
using test::has_kind;
using test::is_ok;
using test::must;
using test::RawClient;
using namespace std::chrono_literals;

constexpr const char* kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})"
                              "\n";

/// Holds methods until the test opens it.
class Gate {
 public:
  void pass() {
    base::MutexLock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    while (!is_open_) changed_.wait(lock);
  }
  void open() {
    const base::MutexLock lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void await_waiting(int count) {
    base::MutexLock lock(mutex_);
    while (waiting_ < count) changed_.wait(lock);
  }

 private:
  base::Mutex mutex_;
  base::CondVar changed_;
  bool is_open_ = false;
  int waiting_ = 0;
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    options_.socket_path = dir_.path("s");
    options_.workers = 3;
  }
  ~ServerTest() override {
    gate_.open();
    server_.reset();
  }

  void start() {
    listen();
    server_->serve();
  }
  void listen() {
    MethodTable methods;
    methods.add("ping", [](const json&) -> Result<json> { return json("pong"); });
    methods.add("wait", [this](const json&) -> Result<json> {
      gate_.pass();
      return json("waited");
    });
    methods.add("count", [this](const json&) -> Result<json> { return json(++count_); });
    methods.add("big", [](const json&) -> Result<json> { return json(std::string(8U << 20U, 'x')); });
    server_ = must(Server::listen(options_, std::move(methods), clock_));
  }
  [[nodiscard]] const std::string& path() const { return options_.socket_path; }
  [[nodiscard]] bool answers() const {
    Result<Client> client = Client::connect(path(), 10s);
    if (!client) return false;
    const auto answer = client->call("ping", json::object(), 10s);
    return answer.has_value() && *answer == "pong";
  }

  test::TempDir dir_;
  base::SystemClock clock_;
  ServerOptions options_;
  Gate gate_;
  std::atomic<int> count_ = 0;
  std::unique_ptr<Server> server_;
};

TEST_F(ServerTest, AnswersTwoClientsAtOnce) {
  start();
  Client one = must(Client::connect(path(), 10s));
  Client two = must(Client::connect(path(), 10s));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(must(one.call("ping", json::object(), 10s)), "pong");
    EXPECT_EQ(must(two.call("ping", json::object(), 10s)), "pong");
  }
}

TEST_F(ServerTest, WhoComesBeforeItServesWaits) {
  listen();
  RawClient early(path());
  ASSERT_TRUE(early.send(kPing));
  Client impatient = must(Client::connect(path(), 10s));
  EXPECT_FALSE(impatient.call("ping", json::object(), 100ms).has_value());
  server_->serve();
  EXPECT_EQ(json::parse(early.read_line().value()).at("result"), "pong");
}

TEST_F(ServerTest, ItNeedNotServe) {
  listen();
  server_.reset();
  EXPECT_FALSE(Client::connect(path(), 10s).has_value());
}

TEST_F(ServerTest, AnswersManyClientsFromManyThreads) {
  start();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      Client client = must(Client::connect(path(), 10s));
      for (int call = 0; call < 50; ++call) EXPECT_TRUE(is_ok(client.call("count", json::object(), 10s)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count_, 400);
}

TEST_F(ServerTest, AnswersInTheOrderOfTheRequests) {
  start();
  RawClient client(path());
  std::string requests;
  for (int id = 0; id < 200; ++id) requests += text(R"({"jsonrpc":"2.0","method":"ping","id":)", id, "}\n");
  ASSERT_TRUE(client.send(requests));
  for (int id = 0; id < 200; ++id) EXPECT_EQ(json::parse(client.read_line().value()).at("id"), id);
}

TEST_F(ServerTest, AnswersALineThatEndsWithTheStream) {
  start();
  RawClient client(path());
  ASSERT_TRUE(client.send(R"({"jsonrpc":"2.0","id":1,"method":"ping"})"));
  client.close_sending();
  EXPECT_TRUE(client.read_line().has_value());
  EXPECT_TRUE(client.is_closed_soon());
}

TEST_F(ServerTest, ASlowMethodHoldsUpNobodyElse) {
  start();
  RawClient slow(path());
  ASSERT_TRUE(slow.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\"}\n"));
  gate_.await_waiting(1);
  EXPECT_TRUE(answers());
  gate_.open();
  EXPECT_EQ(json::parse(slow.read_line().value()).at("result"), "waited");
}

TEST_F(ServerTest, GarbageIsAnsweredAndHarmsNobody) {
  start();
  RawClient client(path());
  std::string garbage;
  for (int i = 0; i < 1000; ++i) garbage += static_cast<char>(i * 7 % 256 == '\n' ? 'x' : i * 7 % 256);
  ASSERT_TRUE(client.send(garbage + "\n"));
  EXPECT_EQ(json::parse(client.read_line().value()).at("error").at("code"), -32700);
  ASSERT_TRUE(client.send(kPing));
  EXPECT_EQ(json::parse(client.read_line().value()).at("result"), "pong");
  EXPECT_TRUE(answers());
}

TEST_F(ServerTest, AFloodWaitsInTheFloodersOwnSocket) {
  start();
  RawClient flooder(path());
  std::size_t sent = 0;
  const std::string burst = [] {
    std::string out;
    for (int i = 0; i < 1000; ++i) out += kPing;
    return out;
  }();
  // Nothing is read of the answers: in the end the server takes no more.
  for (int turn = 0; turn < 10'000; ++turn) {
    const std::size_t got = flooder.send_some(burst);
    sent += got;
    if (got == 0 && turn > 100) break;
    if (turn % 100 == 0) {
      EXPECT_TRUE(answers());
    }
  }
  EXPECT_LT(sent, 16U << 20U);
  EXPECT_TRUE(answers());
}

TEST_F(ServerTest, ALineTooLongIsToldAndEndsTheConnection) {
  options_.max_line_bytes = 4096;
  start();
  RawClient client(path());
  client.send(std::string(3 * 4096, ' '));
  EXPECT_EQ(json::parse(client.read_line().value()).at("error").at("code"), -32600);
  EXPECT_TRUE(client.is_closed_soon());
  EXPECT_TRUE(answers());
}

TEST_F(ServerTest, WhoDoesNotTakeAnAnswerIsDropped) {
  options_.answer_timeout = 100ms;
  start();
  RawClient reader(path());
  ASSERT_TRUE(reader.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big\"}\n"));
  EXPECT_TRUE(answers());
  // The rest of the answer never comes once the server has given up.
  const auto deadline = std::chrono::steady_clock::now() + RawClient::kPatience;
  bool is_dropped = false;
  while (!is_dropped && std::chrono::steady_clock::now() < deadline) is_dropped = !reader.send(" ");
  EXPECT_TRUE(is_dropped);
}

TEST_F(ServerTest, ASlowReaderGetsAllOfALargeAnswer) {
  start();
  RawClient reader(path());
  ASSERT_TRUE(reader.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"big\"}\n"));
  EXPECT_TRUE(answers());
  EXPECT_GT(reader.read_line().value().size(), 8U << 20U);
}

TEST_F(ServerTest, ASilentClientIsDroppedInTime) {
  options_.idle_timeout = 50ms;
  start();
  RawClient silent(path());
  EXPECT_TRUE(silent.is_closed_soon());
}

TEST_F(ServerTest, ADrippingClientIsIdleToo) {
  options_.idle_timeout = 200ms;
  start();
  RawClient client(path());
  const auto deadline = std::chrono::steady_clock::now() + RawClient::kPatience;
  bool is_dropped = false;
  while (!is_dropped && std::chrono::steady_clock::now() < deadline)
    is_dropped = client.send_some(" ") == 0 && errno == EPIPE;
  EXPECT_TRUE(is_dropped);
}

TEST_F(ServerTest, TheIdlestClientMakesRoomForANewOne) {
  options_.max_clients = 2;
  options_.minimum_idle = 0ns;
  start();
  RawClient first(path());
  ASSERT_TRUE(first.send(kPing));
  ASSERT_TRUE(first.read_line().has_value());
  RawClient second(path());
  ASSERT_TRUE(second.send(kPing));
  ASSERT_TRUE(second.read_line().has_value());
  RawClient third(path());
  ASSERT_TRUE(third.send(kPing));
  EXPECT_TRUE(third.read_line().has_value());
  EXPECT_TRUE(first.is_closed_soon());
  ASSERT_TRUE(second.send(kPing));
  EXPECT_TRUE(second.read_line().has_value());
}

TEST_F(ServerTest, OneClientTooManyIsTold) {
  options_.max_clients = 1;
  start();
  RawClient busy(path());
  ASSERT_TRUE(busy.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\"}\n"));
  gate_.await_waiting(1);
  RawClient refused(path());
  EXPECT_EQ(json::parse(refused.read_line().value()).at("error").at("code"), -32000);
  EXPECT_TRUE(refused.is_closed_soon());
}

TEST_F(ServerTest, AClientThatLeavesWhileItsMethodRunsHarmsNobody) {
  start();
  {
    RawClient leaver(path());
    ASSERT_TRUE(leaver.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\"}\n"));
    gate_.await_waiting(1);
  }
  EXPECT_TRUE(answers());
  gate_.open();
  EXPECT_TRUE(answers());
}

/// Whether one of our threads has the name.
bool has_thread(std::string_view name) {
  return std::ranges::any_of(std::filesystem::directory_iterator("/proc/self/task"), [&](const auto& task) {
    std::ifstream file(task.path() / "comm");
    std::string word;
    return std::getline(file, word) && word == name;
  });
}

TEST_F(ServerTest, AMethodThatRunsAtTheStopIsAnswered) {
  start();
  RawClient client(path());
  ASSERT_TRUE(client.send("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"wait\"}\n"));
  gate_.await_waiting(1);
  std::thread stopper([&] { server_->stop(); });
  while (has_thread("rpc")) std::this_thread::yield();  // from here on nobody polls
  gate_.open();
  stopper.join();
  EXPECT_EQ(json::parse(client.read_line().value_or("{}")).value("result", ""), "waited");
  EXPECT_TRUE(client.is_closed_soon());
}

TEST_F(ServerTest, StopsWithClientsConnectedAndRemovesItsSocket) {
  start();
  RawClient client(path());
  server_->stop();
  server_->stop();
  EXPECT_TRUE(client.is_closed_soon());
  struct stat found{};
  EXPECT_NE(::stat(path().c_str(), &found), 0);
}

}  // namespace
}  // namespace arenacache::rpc
