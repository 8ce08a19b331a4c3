// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <chrono>
#include <string>

#include <nlohmann/json.hpp>

#include "support/matchers.h"
#include "support/temp_dir.h"
#include "unix_socket.h"

namespace arenacache::rpc {
namespace {

using base::ErrorKind;
using nlohmann::json;
using test::has_kind;
using test::must;
using namespace std::chrono_literals;

TEST(Client, SaysThatNoDaemonAnswers) {
  const test::TempDir dir;
  const auto client = Client::connect(dir.path("none.sock"), 1s);
  EXPECT_TRUE(has_kind(client, ErrorKind::origin));
  EXPECT_EQ(client.error().what, "no daemon answers at " + dir.path("none.sock") + ": is arenacached running?");
}

TEST(Client, SaysThatADeadSocketHasNoDaemon) {
  const test::TempDir dir;
  {
    const ListeningSocket dead = must(listen_at(dir.path("s"), ""));
  }
  EXPECT_TRUE(has_kind(Client::connect(dir.path("s"), 1s), ErrorKind::origin));
}

TEST(Client, GivesUpOnADaemonThatDoesNotAnswer) {
  const test::TempDir dir;
  const ListeningSocket mute = must(listen_at(dir.path("s"), ""));
  Client client = must(Client::connect(dir.path("s"), 1s));
  EXPECT_TRUE(has_kind(client.call("ping", json::object(), 30ms), ErrorKind::timeout));
}

TEST(Client, SaysThatTheDaemonWentAway) {
  const test::TempDir dir;
  const ListeningSocket listener = must(listen_at(dir.path("s"), ""));
  Client client = must(Client::connect(dir.path("s"), 1s));
  {
    const base::UniqueFd accepted(::accept(listener.fd.get(), nullptr, nullptr));
  }
  EXPECT_TRUE(has_kind(client.call("ping", json::object(), 10s), ErrorKind::origin));
}

TEST(Client, RefusesAPathThatIsTooLongForASocket) {
  EXPECT_TRUE(has_kind(Client::connect("/" + std::string(200, 'x'), 1s), ErrorKind::invalid));
}

}  // namespace
}  // namespace arenacache::rpc
