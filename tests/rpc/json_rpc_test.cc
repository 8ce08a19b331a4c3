// SPDX-License-Identifier: Apache-2.0
#include "arenacache/rpc/json_rpc.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "support/matchers.h"

namespace arenacache::rpc {
namespace {

using base::ErrorKind;
using base::Result;
using nlohmann::json;
using test::has_kind;
using test::is_ok;
using test::must;

constexpr std::size_t kMaxAnswer = 4096;

class JsonRpc : public testing::Test {
 protected:
  JsonRpc() {
    methods_.add("echo", [](const json& params) -> Result<json> { return params; });
    methods_.add("count", [this](const json&) -> Result<json> { return json(++count_); });
    methods_.add("refuse",
                 [](const json&) -> Result<json> { return base::fail(ErrorKind::invalid, EINVAL, "no such path"); });
    methods_.add("hang", [](const json&) -> Result<json> {
      return base::fail(ErrorKind::timeout, ETIMEDOUT, "the origin hangs");
    });
    methods_.add("throw", [](const json&) -> Result<json> { throw std::runtime_error("oops"); });
    methods_.add("long", [](const json&) -> Result<json> { return json(std::string(2 * kMaxAnswer, 'x')); });
    methods_.add("name", [](const json&) -> Result<json> { return json("model-\xff.bin"); });
  }

  json ask(const std::string& line) {
    const std::string answer = answer_line(methods_, line, kMaxAnswer);
    EXPECT_FALSE(answer.empty()) << line;
    return json::parse(answer);
  }
  int code_of(const std::string& line) { return ask(line).at("error").at("code").get<int>(); }

  MethodTable methods_;
  int count_ = 0;
};

TEST_F(JsonRpc, AnswersARequestWithItsId) {
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":7,"method":"echo","params":{"a":1}})"),
            json::parse(R"({"jsonrpc":"2.0","id":7,"result":{"a":1}})"));
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":"x","method":"echo"})"),
            json::parse(R"({"jsonrpc":"2.0","id":"x","result":{}})"));
}

TEST_F(JsonRpc, TellsOfEachMethodThatWillChangeSomethingBeforeItRuns) {
  std::vector<std::string> told;
  methods_.add("evict", [&](const json&) -> Result<json> { return json(told.size()); }, Effect::changes);
  methods_.add("mode", [](const json&) -> Result<json> { return json(); }, Effect::sets);
  const auto note = [&](std::string_view method) { told.emplace_back(method); };
  const std::string line =
      R"([{"jsonrpc":"2.0","id":1,"method":"evict"},{"jsonrpc":"2.0","id":2,"method":"mode"},)"
      R"({"jsonrpc":"2.0","id":3,"method":"count"},{"jsonrpc":"2.0","id":4,"method":"mode","params":{"mode":"off"}}])";
  const json answers = json::parse(answer_line(methods_, line, kMaxAnswer, note));
  EXPECT_EQ(told, (std::vector<std::string>{"evict", "mode"}));
  EXPECT_EQ(answers.at(0).at("result"), 1) << "told before";
}

TEST_F(JsonRpc, AnswersWhatIsNoJsonWithAParseError) {
  for (const char* line : {"garbage", "{", "\xff\xfe\x01", "{\"jsonrpc\":\"2.0\",", "nul", "\"\xc3\x28\""}) {
    EXPECT_EQ(code_of(line), -32700) << line;
  }
  EXPECT_TRUE(ask("garbage").at("id").is_null());
}

TEST_F(JsonRpc, RefusesJsonNestedTooDeepBeforeParsingIt) {
  EXPECT_EQ(code_of(std::string(500'000, '[')), -32700);
  EXPECT_EQ(
      ask(R"({"jsonrpc":"2.0","id":1,"method":"echo","params":{"a":"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"[["}})")
          .count("result"),
      1U)
      << "brackets in strings nest nothing";
}

TEST_F(JsonRpc, AnswersWhatIsNoRequestWithInvalidRequest) {
  for (const char* line :
       {"1", "null", "\"echo\"", R"({"id":1,"method":"echo"})", R"({"jsonrpc":"1.0","id":1,"method":"echo"})",
        R"({"jsonrpc":"2.0","id":1})", R"({"jsonrpc":"2.0","id":1,"method":5})",
        R"({"jsonrpc":"2.0","id":1,"method":"echo","params":5})", "[]"}) {
    EXPECT_EQ(code_of(line), -32600) << line;
  }
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":9,"method":5})").at("id"), 9);
}

TEST_F(JsonRpc, AnswersUnknownMethodsAndWrongParameters) {
  EXPECT_EQ(code_of(R"({"jsonrpc":"2.0","id":1,"method":"nothing"})"), -32601);
  EXPECT_EQ(code_of(R"({"jsonrpc":"2.0","id":1,"method":"echo","params":[1]})"), -32602)
      << "parameters are given by name";
  EXPECT_EQ(code_of(R"({"jsonrpc":"2.0","id":1,"method":"refuse"})"), -32602);
}

TEST_F(JsonRpc, KeepsKindAndErrnoOfAMethodThatFailed) {
  const json error = ask(R"({"jsonrpc":"2.0","id":1,"method":"hang"})").at("error");
  EXPECT_EQ(error.at("code"), -32000);
  EXPECT_EQ(error.at("message"), "the origin hangs");
  EXPECT_EQ(error.at("data").at("kind"), "timeout");
  EXPECT_EQ(error.at("data").at("errno"), ETIMEDOUT);
}

TEST_F(JsonRpc, TurnsAnExceptionIntoAnInternalError) {
  EXPECT_EQ(code_of(R"({"jsonrpc":"2.0","id":1,"method":"throw"})"), -32603);
}

TEST_F(JsonRpc, RunsNotificationsAndAnswersNothing) {
  EXPECT_EQ(answer_line(methods_, R"({"jsonrpc":"2.0","method":"count"})", kMaxAnswer), "");
  EXPECT_EQ(answer_line(methods_, R"({"jsonrpc":"2.0","method":"nothing"})", kMaxAnswer), "");
  EXPECT_EQ(count_, 1);
}

TEST_F(JsonRpc, AnswersABatchInOneLine) {
  const json answers = ask(
      R"([{"jsonrpc":"2.0","id":1,"method":"count"},{"jsonrpc":"2.0","method":"count"},5,{"jsonrpc":"2.0","id":2,"method":"count"}])");
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[0].at("result"), 1);
  EXPECT_EQ(answers[1].at("error").at("code"), -32600);
  EXPECT_EQ(answers[2].at("result"), 3);
  EXPECT_EQ(answer_line(methods_, R"([{"jsonrpc":"2.0","method":"count"}])", kMaxAnswer), "");
}

TEST_F(JsonRpc, RefusesABatchThatIsTooLarge) {
  json batch = json::array();
  for (std::size_t i = 0; i <= kMaxBatch; ++i) batch.push_back({{"jsonrpc", "2.0"}, {"id", i}, {"method", "count"}});
  EXPECT_EQ(code_of(batch.dump()), -32600);
  EXPECT_EQ(count_, 0);
}

TEST_F(JsonRpc, ReplacesAnAnswerThatIsTooLong) {
  const json answer = ask(R"({"jsonrpc":"2.0","id":4,"method":"long"})");
  EXPECT_EQ(answer.at("id"), 4);
  EXPECT_EQ(answer.at("error").at("code"), -32000);
}

TEST_F(JsonRpc, SendsANameThatIsNoUtf8) {
  EXPECT_EQ(ask(R"({"jsonrpc":"2.0","id":4,"method":"name"})").at("result"), "model-\xef\xbf\xbd.bin");
  EXPECT_TRUE(has_kind(request_line(1, "ls", {{"path", "\xff"}}), ErrorKind::invalid));
}

TEST_F(JsonRpc, ClientReadsWhatServerSays) {
  const auto round_trip = [this](const char* method) {
    return read_answer(3, answer_line(methods_, must(request_line(3, method, {{"a", "b"}})), kMaxAnswer));
  };
  EXPECT_EQ(must(round_trip("echo")), json({{"a", "b"}}));
  EXPECT_TRUE(has_kind(round_trip("refuse"), ErrorKind::invalid));
  EXPECT_EQ(round_trip("refuse").error().what, "no such path");
  EXPECT_TRUE(has_kind(round_trip("hang"), ErrorKind::timeout));
  EXPECT_EQ(round_trip("hang").error().errno_value, ETIMEDOUT);
}

TEST_F(JsonRpc, ClientRefusesWhatIsNoAnswer) {
  for (const char* line : {"", "hello", "[]", R"({"id":1,"result":1})", R"({"id":3})", R"({"id":3,"error":5})",
                           R"({"id":3,"error":{"message":5}})"}) {
    EXPECT_FALSE(is_ok(read_answer(3, line))) << line;
  }
}

}  // namespace
}  // namespace arenacache::rpc
