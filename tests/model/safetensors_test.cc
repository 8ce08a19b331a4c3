// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/model/header.h"
#include "model_files.h"
#include "reading_check.h"
#include "support/matchers.h"

namespace arenacache::model {
namespace {

using Shape = std::vector<std::uint64_t>;

Shape shape_of(const Tensor& tensor) { return {tensor.shape.begin(), tensor.shape.end()}; }

base::Result<Reading> read(const test::ModelFile& file) {
  auto reading = read_header(test::bytes_of(file.head), file.size);
  EXPECT_EQ(test::complaint_about(reading, test::bytes_of(file.head), file.size), "");
  return reading;
}

TensorTable table_of(const test::ModelFile& file) { return std::get<TensorTable>(test::must(read(file))); }

/// Why the header is refused; empty if it is not.
std::string why(std::string_view json, std::uint64_t data_bytes) {
  auto reading = read(test::safetensors_file(json, data_bytes));
  return reading ? "" : reading.error().what;
}

/// A header of one tensor "t" whose entry is `fields`.
std::string one(std::string_view fields) { return base::text(R"({"t":{)", fields, "}}"); }

TEST(Safetensors, GivesTheTensorsInTheOrderOfTheFile) {
  const test::ModelFile file = test::sample_safetensors();
  const TensorTable table = table_of(file);
  const std::uint64_t data = file.head.size();
  EXPECT_EQ(table.data_begin(), data);
  ASSERT_EQ(table.size(), 5U);

  EXPECT_EQ(table.at(0).name, "a.weight");
  EXPECT_EQ(table.at(0).dtype, DType::f32);
  EXPECT_EQ(shape_of(table.at(0)), (Shape{2, 3}));
  EXPECT_EQ(table.at(0).begin, data);
  EXPECT_EQ(table.at(0).end, data + 24);

  EXPECT_EQ(table.at(1).name, "b.weight");
  EXPECT_EQ(table.at(1).dtype, DType::bf16);
  EXPECT_EQ(shape_of(table.at(1)), (Shape{4, 2}));

  EXPECT_EQ(table.at(2).name, "empty");
  EXPECT_EQ(table.at(2).begin, table.at(2).end);

  EXPECT_EQ(table.at(3).name, "packed");
  EXPECT_EQ(table.at(3).dtype, DType::other) << "a dtype that nobody knows yet";
  EXPECT_EQ(table.at(3).end, data + 45);

  EXPECT_EQ(table.at(4).dtype, DType::f8_e4m3);
  EXPECT_EQ(shape_of(table.at(4)), Shape{}) << "a scalar";
}

TEST(Safetensors, FindsTheTensorOfAByte) {
  const test::ModelFile file = test::sample_safetensors();
  const TensorTable table = table_of(file);
  const std::uint64_t data = file.head.size();
  EXPECT_EQ(table.tensor_at(0), std::nullopt);
  EXPECT_EQ(table.tensor_at(data - 1), std::nullopt);
  EXPECT_EQ(table.tensor_at(data), 0U);
  EXPECT_EQ(table.tensor_at(data + 23), 0U);
  EXPECT_EQ(table.tensor_at(data + 24), 1U);
  EXPECT_EQ(table.tensor_at(data + 40), 3U) << "not the empty one that begins there too";
  EXPECT_EQ(table.tensor_at(data + 45), 4U);
  EXPECT_EQ(table.tensor_at(data + 46), std::nullopt);
  EXPECT_EQ(table.tensor_at(~std::uint64_t{0}), std::nullopt);
}

TEST(Safetensors, AFileWithoutTensorsIsAFile) {
  EXPECT_TRUE(table_of(test::safetensors_file("{}", 0)).is_empty());
  EXPECT_TRUE(table_of(test::safetensors_file(R"({"__metadata__":{"a":"b"}}  )", 0)).is_empty());
}

TEST(Safetensors, MetadataMayBeAnything) {
  for (const char* value : {"null", "1", "[]", "{}", "\"x\"", "[1,[2,[3]]]", R"({"a":{"dtype":[0]}})"}) {
    EXPECT_EQ(why(base::text(R"({"__metadata__":)", value, "}"), 0), "") << value;
  }
}

TEST(Safetensors, UnknownFieldsArePassedOver) {
  EXPECT_EQ(why(one(R"("x":{"dtype":"F32"},"dtype":"U8","shape":[1],"y":[[]],"data_offsets":[0,1],"z":null)"), 1), "");
}

TEST(Safetensors, ManyTensorsTakeLittleMemory) {
  constexpr std::size_t kTensors = 3000;
  const TensorTable table = table_of(test::many_safetensors(kTensors));
  ASSERT_EQ(table.size(), kTensors);
  EXPECT_EQ(table.at(2999).name, "model.language_model.layers.2999.self_attn.q_proj.weight");
  EXPECT_LT(table.bytes(), 400'000U);
}

TEST(Safetensors, BrokenJsonIsRefused) {
  for (const char* json : {"{", "{]", "{}}", "{} x", "{\"a\"}", "{\"t\":{\"dtype\":\"U8\"", "{'t':1}", "{\"\xff\":{}}",
                           "{\"t\":{\"shape\":[1e999]}}", "{\"\\ud800\":{}}", "{,}", "{/*comment*/}"}) {
    EXPECT_TRUE(why(json, 0).contains("not valid JSON")) << json << ": " << why(json, 0);
  }
}

TEST(Safetensors, ANulEndsNoHeader) {
  using std::string_view_literals::operator""sv;
  EXPECT_TRUE(why("{}\0"sv, 0).contains("NUL"));
  EXPECT_TRUE(why("{}\0{\"t\":1}"sv, 0).contains("NUL"));
}

TEST(Safetensors, DeepNestingIsRefused) {
  // The root and the metadata's 7 make 8.
  const auto nested = [](std::size_t depth) {
    return base::text(R"({"__metadata__":)", std::string(depth, '['), std::string(depth, ']'), "}");
  };
  EXPECT_EQ(why(nested(7), 0), "");
  EXPECT_TRUE(why(nested(8), 0).contains("deeper"));
  EXPECT_TRUE(why(nested(1'000'000), 0).contains("deeper"));
  EXPECT_TRUE(why(R"({"__metadata__":)" + std::string(1'000'000, '['), 0).contains("deeper"));
}

TEST(Safetensors, WhatComesTwiceIsRefused) {
  const char* const entry = R"("t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  EXPECT_TRUE(why(base::text("{", entry, ",", entry, "}"), 0).contains("two tensors are named 't'"));
  EXPECT_TRUE(why(R"({"__metadata__":{},"__metadata__":{}})", 0).contains("twice"));
  EXPECT_TRUE(why(one(R"("dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1])"), 1).contains("dtype twice"));
  EXPECT_TRUE(why(one(R"("dtype":"U8","shape":[1],"shape":[1],"data_offsets":[0,1])"), 1).contains("shape twice"));
  EXPECT_TRUE(why(one(R"("data_offsets":[0,1],"data_offsets":[0,1])"), 1).contains("data_offsets twice"));
}

TEST(Safetensors, ATensorNeedsAllItsFields) {
  EXPECT_TRUE(why(one(""), 0).contains("lacks"));
  EXPECT_TRUE(why(one(R"("dtype":"U8","shape":[1])"), 1).contains("lacks"));
  EXPECT_TRUE(why(one(R"("dtype":"U8","data_offsets":[0,1])"), 1).contains("lacks"));
  EXPECT_TRUE(why(one(R"("shape":[1],"data_offsets":[0,1])"), 1).contains("lacks"));
  for (const char* value : {"null", "1", "-1", "1.5", "true", "\"x\"", "[]"}) {
    EXPECT_TRUE(why(base::text(R"({"t":)", value, "}"), 0).contains("no object")) << value;
  }
}

TEST(Safetensors, AFieldOfAWrongKindIsRefused) {
  for (const char* fields :
       {R"("dtype":1)", R"("dtype":null)", R"("dtype":["U8"])", R"("dtype":{})", R"("shape":1)", R"("shape":"1")",
        R"("shape":{})", R"("shape":[-1])", R"("shape":[1.0])", R"("shape":["1"])", R"("shape":[[1]])",
        R"("shape":[{}])", R"("shape":[null])", R"("shape":[18446744073709551616])", R"("data_offsets":0)",
        R"("data_offsets":[true])", R"("data_offsets":[[0,1]])"}) {
    EXPECT_TRUE(why(one(fields), 0).contains("wrong kind")) << fields << ": " << why(one(fields), 0);
  }
}

TEST(Safetensors, OffsetsAreARangeInTheFile) {
  const auto offsets = [](std::string_view numbers, std::uint64_t data_bytes) {
    return why(one(base::text(R"("dtype":"NEW","shape":[1],"data_offsets":[)", numbers, "]")), data_bytes);
  };
  EXPECT_EQ(offsets("0,5", 5), "");
  for (const char* numbers : {"", "0", "5,0"}) EXPECT_TRUE(offsets(numbers, 5).contains("no range")) << numbers;
  EXPECT_TRUE(offsets("0,1,2", 5).contains("too many offsets"));
  for (const char* numbers : {"0,6", "6,6", "0,18446744073709551615", "18446744073709551615,18446744073709551615"}) {
    EXPECT_TRUE(offsets(numbers, 5).contains("not lie in the file")) << numbers;
  }
}

TEST(Safetensors, TheRangeFitsTheShape) {
  EXPECT_TRUE(why(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,7])"), 7).contains("do not fit its shape"));
  EXPECT_TRUE(why(one(R"("dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0])"), 0).contains("fit"))
      << "the product is 0 in 64 bits";
  EXPECT_TRUE(why(one(R"("dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0])"), 0).contains("fit"));
  EXPECT_EQ(why(one(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1],"data_offsets":[0,1])"), 1), "");
  EXPECT_TRUE(why(one(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])"), 1).contains("dimensions"));
}

TEST(Safetensors, TensorsDoNotOverlapButMayLeaveHoles) {
  const auto two = [](std::uint64_t begin, std::uint64_t end, std::uint64_t data_bytes) {
    return why(test::safetensors_json({{.name = "a", .dtype = "U8", .shape = {4}, .begin = 0, .end = 4},
                                       {.name = "b", .dtype = "NEW", .shape = {4}, .begin = begin, .end = end}}),
               data_bytes);
  };
  EXPECT_EQ(two(4, 8, 8), "");
  EXPECT_EQ(two(5, 8, 8), "");
  EXPECT_EQ(two(4, 7, 8), "") << "bytes behind the last tensor";
  EXPECT_TRUE(two(3, 8, 8).contains("overlap"));
  EXPECT_TRUE(two(0, 4, 4).contains("overlap"));
  EXPECT_TRUE(two(2, 2, 4).contains("overlap")) << "an empty one amid another";
  EXPECT_EQ(why("{}", 1), "");
}

TEST(Safetensors, NamesAreBounded) {
  const auto named = [](const std::string& name) {
    return why(test::safetensors_json({{.name = name, .dtype = "U8", .shape = {1}, .begin = 0, .end = 1}}), 1);
  };
  EXPECT_EQ(named(""), "");
  EXPECT_EQ(named(std::string(kMaxNameBytes, 'n')), "");
  EXPECT_TRUE(named(std::string(kMaxNameBytes + 1, 'n')).contains("name of a tensor has 65537 bytes"));
}

TEST(Safetensors, ASentenceShowsNoControlCharacters) {
  const std::string sentence = why(R"({"\u001b[31m\n\u0000\u00e4":1})", 0);
  EXPECT_TRUE(sentence.contains("'?[31m" + std::string(4, '?') + "'")) << sentence;
  const std::string name(1000, 'n');
  EXPECT_LT(why(base::text(R"({")", name, R"(":1})"), 0).size(), 200U);
}

TEST(Safetensors, TooManyTensorsAreRefused) {
  // All of one name, which is found out last.
  constexpr std::string_view kEntry = R"("t":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},)";
  std::string json = "{";
  for (std::size_t i = 0; i <= kMaxTensors; ++i) json += kEntry;
  json.back() = '}';
  EXPECT_TRUE(why(json, 0).contains("more than 1000000 tensors"));
}

}  // namespace
}  // namespace arenacache::model
