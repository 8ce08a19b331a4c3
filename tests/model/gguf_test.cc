// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "arenacache/model/header.h"
#include "model_files.h"
#include "reading_check.h"
#include "support/matchers.h"

namespace arenacache::model {
namespace {

using test::GgufHead;
using test::ModelFile;
using Shape = std::vector<std::uint64_t>;

constexpr std::uint64_t kHuge = std::uint64_t{1} << 60U;
constexpr std::uint32_t kF32 = 0;
constexpr std::uint32_t kQ8 = 8;
constexpr std::uint32_t kUnknownType = 4711;

base::Result<Reading> read(const ModelFile& file) {
  auto reading = read_header(test::bytes_of(file.head), file.size);
  EXPECT_EQ(test::complaint_about(reading, test::bytes_of(file.head), file.size), "");
  return reading;
}

TensorTable table_of(const ModelFile& file) { return std::get<TensorTable>(test::must(read(file))); }

/// Why the header is refused; empty if it is not.
std::string why(const ModelFile& file) {
  auto reading = read(file);
  return reading ? "" : reading.error().what;
}

Shape shape_of(const Tensor& tensor) { return {tensor.shape.begin(), tensor.shape.end()}; }

TEST(Gguf, GivesTheTensorsInTheOrderOfTheFile) {
  const ModelFile file = test::sample_gguf();
  const TensorTable table = table_of(file);
  const std::uint64_t data = file.head.size();
  EXPECT_EQ(table.data_begin(), data);
  ASSERT_EQ(table.size(), 4U);

  EXPECT_EQ(table.at(0).name, "token_embd.weight");
  EXPECT_EQ(table.at(0).dtype, DType::f32);
  EXPECT_EQ(shape_of(table.at(0)), (Shape{3, 2})) << "outermost dimension first";
  EXPECT_EQ(table.at(0).begin, data);
  EXPECT_EQ(table.at(0).end, data + 24);

  EXPECT_EQ(table.at(1).name, "output.weight");
  EXPECT_EQ(table.at(1).dtype, DType::q4_k);
  EXPECT_EQ(table.at(1).begin, data + 128);
  EXPECT_EQ(table.at(1).end, data + 128 + 288);

  EXPECT_EQ(table.at(3).name, "last.weight");
  EXPECT_EQ(table.at(3).dtype, DType::q8_0);
  EXPECT_EQ(table.at(3).end, file.size);
}

TEST(Gguf, ATensorOfAnUnknownTypeReachesToTheNext) {
  const ModelFile file = test::sample_gguf();
  const TensorTable table = table_of(file);
  EXPECT_EQ(table.at(2).dtype, DType::other);
  EXPECT_EQ(table.at(2).end, table.at(3).begin);
  const TensorTable alone = table_of(GgufHead(1, 0).tensor("t", {7}, kUnknownType, 32).file(100));
  EXPECT_EQ(alone.at(0).end - alone.data_begin(), 100U);
}

TEST(Gguf, PaddingBelongsToNoTensor) {
  const ModelFile file = test::sample_gguf();
  const TensorTable table = table_of(file);
  const std::uint64_t data = table.data_begin();
  EXPECT_EQ(table.tensor_at(data + 23), 0U);
  EXPECT_EQ(table.tensor_at(data + 24), std::nullopt);
  EXPECT_EQ(table.tensor_at(data + 127), std::nullopt);
  EXPECT_EQ(table.tensor_at(data + 128), 1U);
}

TEST(Gguf, BothVersionsOfTodayAreRead) {
  for (const std::uint32_t version : {2U, 3U}) {
    EXPECT_EQ(table_of(GgufHead(1, 0, version).tensor("t", {8}, kF32, 0).file(32)).size(), 1U);
  }
}

TEST(Gguf, OtherVersionsAreRefused) {
  for (const std::uint32_t version : {1U, 4U, 0x7FFFFFFFU}) {
    EXPECT_TRUE(why(GgufHead(0, 0, version).file(0)).contains("of version")) << version;
  }
  for (const std::uint32_t version : {0U, 0x02000000U, 0x03000000U}) {
    EXPECT_TRUE(why(GgufHead(0, 0, version).file(0)).contains("big-endian")) << version;
  }
}

TEST(Gguf, AFileWithoutTensorsIsAFile) {
  // A shard that has the vocabulary only; it may end without padding.
  ModelFile file = GgufHead(0, 1).key("k", GgufHead::kString).string("v").file(0, 1);
  EXPECT_TRUE(table_of(file).is_empty());
}

TEST(Gguf, ManyTensorsTakeLittleMemory) {
  const TensorTable table = table_of(test::many_gguf(3000, 10'000));
  ASSERT_EQ(table.size(), 3000U);
  EXPECT_LT(table.bytes(), 400'000U);
}

TEST(Gguf, AnInflatedCountIsRefusedAtOnce) {
  EXPECT_TRUE(why(GgufHead(kHuge, 0).file(0)).contains("tensors"));
  EXPECT_TRUE(why(GgufHead(kMaxTensors + 1, 0).file(kHuge)).contains("tensors"));
  EXPECT_TRUE(why(GgufHead(kMaxTensors, 0).file(0)).contains("beyond the end"));
  EXPECT_TRUE(why(GgufHead(0, kHuge).file(kHuge)).contains("beyond the end"));
  EXPECT_TRUE(why(GgufHead(0, ~std::uint64_t{0}).file(kHuge)).contains("beyond the end"));
}

TEST(Gguf, AnInflatedArrayIsRefusedAtOnce) {
  for (std::uint32_t type = 0; type <= 12; ++type) {
    for (const std::uint64_t count : {kHuge, kHuge * 2, ~std::uint64_t{0}, kMaxGgufHeaderBytes}) {
      const auto head = GgufHead(0, 1).key("k", GgufHead::kArray).u32(type).u64(count);
      EXPECT_TRUE(why(head.file(kHuge)).contains("beyond the end")) << type << ", " << count;
    }
  }
}

TEST(Gguf, AnInflatedStringIsRefusedAtOnce) {
  for (const std::uint64_t length : {kHuge, ~std::uint64_t{0}, kMaxGgufHeaderBytes}) {
    EXPECT_TRUE(why(GgufHead(0, 1).u64(length).file(kHuge)).contains("name of a key has")) << "key";
    EXPECT_TRUE(why(GgufHead(0, 1).key("k", GgufHead::kString).u64(length).file(kHuge)).contains("beyond")) << "value";
    EXPECT_TRUE(why(GgufHead(1, 0).u64(length).zeros(16).file(kHuge)).contains("name of a tensor has")) << "name";
  }
}

TEST(Gguf, AskingForMoreCoversWhatIsAnnounced) {
  const ModelFile file =
      GgufHead(100, 1).key("k", GgufHead::kArray).u32(GgufHead::kString).u64(1'000'000).file(kHuge, 1);
  const auto reading = test::must(read(file));
  EXPECT_EQ(std::get<NeedMore>(reading).at_least, file.head.size() + 8'000'000U + 2400U);
}

TEST(Gguf, UnknownTypesOfValuesAreRefused) {
  EXPECT_TRUE(why(GgufHead(0, 1).key("k", 13).u64(0).file(0)).contains("unknown type 13"));
  EXPECT_TRUE(why(GgufHead(0, 1).key("k", 9).u32(13).u64(1).u64(0).file(0)).contains("array of the unknown type 13"));
}

TEST(Gguf, DeepArraysAreRefused) {
  const auto nested = [](std::size_t depth) {
    GgufHead head(0, 1);
    head.key("k", GgufHead::kArray);
    for (std::size_t i = 1; i < depth; ++i) head.u32(GgufHead::kArray).u64(1);
    return head.u32(GgufHead::kUint8).u64(0).file(0);
  };
  EXPECT_EQ(why(nested(8)), "");
  EXPECT_TRUE(why(nested(9)).contains("deeper"));
  EXPECT_TRUE(why(nested(100'000)).contains("deeper"));
}

TEST(Gguf, TheAlignmentIsAPowerOfTwo) {
  const auto aligned = [](std::uint32_t alignment) {
    return GgufHead(1, 1).alignment(alignment).tensor("t", {1}, kF32, 0).file(4, alignment == 0 ? 1 : alignment);
  };
  for (const std::uint32_t alignment : {1U, 8U, 32U, 4096U}) {
    EXPECT_EQ(table_of(aligned(alignment)).data_begin(), aligned(alignment).head.size());
  }
  for (const std::uint32_t alignment : {0U, 3U, 48U}) {
    EXPECT_TRUE(why(aligned(alignment)).contains("its alignment is")) << alignment;
  }
  EXPECT_TRUE(
      why(GgufHead(0, 1).key("general.alignment", GgufHead::kString).string("32").file(0)).contains("alignment"));
  EXPECT_TRUE(why(GgufHead(0, 2).alignment(32).alignment(64).file(0)).contains("twice"));
  EXPECT_TRUE(why(GgufHead(1, 1).alignment(0x80000000).tensor("t", {1}, kF32, 0).file(4)).contains("before its data"));
}

TEST(Gguf, ATensorLiesInTheFile) {
  EXPECT_EQ(why(GgufHead(1, 0).tensor("t", {8}, kF32, 32).file(64)), "");
  EXPECT_TRUE(why(GgufHead(1, 0).tensor("t", {8}, kF32, 32).file(63)).contains("not lie in the file"));
  EXPECT_TRUE(why(GgufHead(1, 0).tensor("t", {0}, kF32, 64).file(63)).contains("not lie in the file"));
  const std::uint64_t last = ~std::uint64_t{31};
  EXPECT_TRUE(why(GgufHead(1, 0).tensor("t", {8}, kF32, last).file(64)).contains("not lie in the file"));
  EXPECT_TRUE(why(GgufHead(1, 0).tensor("t", {8}, kUnknownType, last).file(64)).contains("not lie in the file"));
  EXPECT_TRUE(why(GgufHead(1, 0).tensor("t", {8}, kF32, 4).file(64)).contains("not aligned"));
}

TEST(Gguf, TensorsDoNotOverlap) {
  const auto second_at = [](std::uint64_t offset, std::uint32_t type) {
    return why(GgufHead(2, 0).tensor("a", {16}, kF32, 0).tensor("b", {8}, type, offset).file(96));
  };
  EXPECT_EQ(second_at(64, kF32), "");
  EXPECT_TRUE(second_at(32, kF32).contains("overlap"));
  EXPECT_TRUE(second_at(0, kF32).contains("overlap"));
  EXPECT_TRUE(second_at(32, kUnknownType).contains("overlap"));
}

TEST(Gguf, AShapeThatCannotBeIsRefused) {
  const auto shaped = [](const Shape& shape, std::uint32_t type) {
    return why(GgufHead(1, 0).tensor("t", shape, type, 0).file(1000));
  };
  EXPECT_TRUE(shaped({kHuge, 16}, kF32).contains("shape that cannot be")) << "the product is 0 in 64 bits";
  EXPECT_TRUE(shaped({kHuge * 4}, kF32).contains("shape that cannot be"));
  EXPECT_TRUE(shaped({kHuge}, kF32).contains("not lie in the file"));
  EXPECT_TRUE(shaped({31}, kQ8).contains("shape that cannot be"));
  EXPECT_TRUE(shaped({16, 2}, kQ8).contains("shape that cannot be")) << "no whole blocks in a row";
  EXPECT_EQ(shaped({32, 2}, kQ8), "");
  EXPECT_EQ(shaped({1, 1, 1, 1, 1, 1, 1, 1}, kF32), "");
  EXPECT_TRUE(shaped({1, 1, 1, 1, 1, 1, 1, 1, 1}, kF32).contains("too many dimensions"));
  EXPECT_TRUE(why(GgufHead(1, 0).string("t").u32(~std::uint32_t{0}).zeros(64).file(0)).contains("dimensions"));
}

TEST(Gguf, NamesAreBoundedAndDiffer) {
  const auto named = [](std::string_view first, std::string_view second) {
    return why(GgufHead(2, 0).tensor(first, {8}, kF32, 0).tensor(second, {8}, kF32, 32).file(64));
  };
  EXPECT_EQ(named("", std::string(kMaxNameBytes, 'n')), "");
  EXPECT_TRUE(named("a", std::string(kMaxNameBytes + 1, 'n')).contains("name of a tensor has 65537 bytes"));
  EXPECT_TRUE(named("a", "a").contains("two tensors are named 'a'"));
}

}  // namespace
}  // namespace arenacache::model
