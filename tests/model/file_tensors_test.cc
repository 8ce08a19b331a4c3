// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/file_tensors.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "archive_files.h"
#include "model_files.h"
#include "reading_check.h"
#include "support/matchers.h"

namespace arenacache::model {
namespace {

using test::bytes_of;
using test::float_bytes;
using test::FloatKind;
using test::ZipNumbers;

ReadAt reader_of(const std::string& file) {
  return [&file](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
    AC_CHECK(offset <= file.size() && out.size() <= file.size() - offset);
    std::memcpy(out.data(), file.data() + offset, out.size());
    return {};
  };
}

TensorTable tensors_of(const std::string& file) {
  TensorTable table = test::must(find_tensors(reader_of(file), file.size()));
  EXPECT_EQ(test::complaint_about(table, bytes_of(file), file.size()), "");
  return table;
}

std::string bytes_of_tensor(const std::string& file, const Tensor& tensor) {
  return file.substr(tensor.begin, tensor.end - tensor.begin);
}

TEST(FileTensors, KnowsWhatHasAHeader) {
  const std::string numbers = float_bytes(FloatKind::bf16, 1000, 1);
  const auto head = test::safetensors_file(
      test::safetensors_json({{.name = "w", .dtype = "BF16", .shape = {1000}, .begin = 0, .end = 2000}}), 2000);
  const std::string file = head.head + numbers;
  const TensorTable table = tensors_of(file);
  ASSERT_EQ(table.size(), 1U);
  EXPECT_EQ(table.at(0).dtype, DType::bf16);
  EXPECT_EQ(bytes_of_tensor(file, table.at(0)), numbers);
}

/// A file as PyTorch writes it, with numbers of three types.
void expect_entries(ZipNumbers numbers) {
  const std::string halves = float_bytes(FloatKind::f16, 40'001, 1);
  const std::string brains = float_bytes(FloatKind::bf16, 20'000, 2);
  const std::string floats = float_bytes(FloatKind::f32, 30'000, 3);
  const std::string file =
      test::zip_archive({{.name = "archive/data.pkl", .bytes = std::string(50'000, 'p')},
                         {.name = "archive/data/0", .bytes = halves},
                         {.name = "archive/data/1", .bytes = brains},
                         {.name = "archive/data/2", .bytes = floats},
                         {.name = "archive/small", .bytes = "tiny"},
                         {.name = "archive/zip", .bytes = test::noise(50'000, 4), .is_compressed = true}},
                        numbers);
  const TensorTable table = tensors_of(file);
  ASSERT_EQ(table.size(), 4U);
  EXPECT_EQ(table.at(0).dtype, DType::other);
  EXPECT_EQ(table.at(1).name, "archive/data/0");
  EXPECT_EQ(table.at(1).dtype, DType::f16);
  EXPECT_EQ(bytes_of_tensor(file, table.at(1)), halves);
  EXPECT_EQ(table.at(2).dtype, DType::bf16);
  EXPECT_EQ(bytes_of_tensor(file, table.at(2)), brains);
  EXPECT_EQ(table.at(3).dtype, DType::f32);
  EXPECT_EQ(bytes_of_tensor(file, table.at(3)), floats);
}

TEST(FileTensors, FindsTheEntriesOfAnArchive) { expect_entries(ZipNumbers::plain); }
TEST(FileTensors, FindsTheEntriesOfALongArchive) { expect_entries(ZipNumbers::zip64); }

std::string sample_onnx() {
  return test::onnx_model(
      {{.name = "conv.weight", .data_type = 1, .bytes = float_bytes(FloatKind::f32, 300'000, 1)},
       {.name = "conv.bias", .data_type = 10, .bytes = float_bytes(FloatKind::f16, 333, 2)},
       {.name = "empty", .data_type = 1, .bytes = ""},
       {.name = "scale", .data_type = 1, .bytes = "1234", .is_constant = true},
       {.name = "fc", .data_type = 16, .bytes = float_bytes(FloatKind::bf16, 5000, 3), .is_constant = true},
       {.name = "odd", .data_type = 7, .bytes = "12345678901"}});
}

TEST(FileTensors, FindsTheInitializersOfAnOnnxModel) {
  const std::string file = sample_onnx();
  const TensorTable table = tensors_of(file);
  ASSERT_EQ(table.size(), 4U);
  EXPECT_EQ(table.at(0).name, "conv.weight");
  EXPECT_EQ(table.at(0).dtype, DType::f32);
  EXPECT_EQ(bytes_of_tensor(file, table.at(0)), float_bytes(FloatKind::f32, 300'000, 1));
  EXPECT_EQ(table.at(1).dtype, DType::f16);
  EXPECT_EQ(table.at(2).name, "fc") << "a constant, and none that is small";
  EXPECT_EQ(table.at(2).dtype, DType::bf16);
  EXPECT_EQ(bytes_of_tensor(file, table.at(2)), float_bytes(FloatKind::bf16, 5000, 3));
  EXPECT_EQ(bytes_of_tensor(file, table.at(3)), "12345678") << "whole elements only";
}

TEST(FileTensors, AFileOfFloatsIsOneTensor) {
  const std::string file = "123" + float_bytes(FloatKind::f32, 400'000, 1);
  const TensorTable table = tensors_of(file);
  ASSERT_EQ(table.size(), 1U);
  EXPECT_EQ(table.at(0).dtype, DType::f32);
  EXPECT_EQ(table.at(0).begin, 3U);
  EXPECT_EQ(table.at(0).end, file.size());
}

TEST(FileTensors, WhatIsNoneOfThemHasNoTensors) {
  EXPECT_TRUE(tensors_of("").is_empty());
  EXPECT_TRUE(tensors_of("a text").is_empty());
  EXPECT_TRUE(tensors_of(test::noise(3'000'000, 1)).is_empty());
  EXPECT_TRUE(tensors_of(float_bytes(FloatKind::f32, 1000, 1)).is_empty()) << "too short to bother";
}

TEST(FileTensors, AReadThatFailsIsTheAnswer) {
  for (const std::string& file : {test::zip_archive({{.name = "a", .bytes = test::noise(50'000, 1)}}), sample_onnx()}) {
    std::size_t good = 0;
    while (true) {
      std::size_t left = good++;
      const auto found = find_tensors(
          [&](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
            if (left-- == 0) return base::fail(base::ErrorKind::origin, EIO, "gone");
            return reader_of(file)(out, offset);
          },
          file.size());
      if (found) break;
      EXPECT_TRUE(test::has_kind(found, base::ErrorKind::origin));
      ASSERT_LT(good, 100U);
    }
    EXPECT_GT(good, 3U);
  }
}

/// Whatever becomes of a file's bytes, the table holds what it promises.
TEST(FileTensors, DamageIsHarmless) {
  const std::string noise = test::noise(17'000, 1);
  const std::vector<std::string> files = {
      test::zip_archive({{.name = "a", .bytes = noise}, {.name = "b", .bytes = noise}}),
      test::zip_archive({{.name = "a", .bytes = noise}, {.name = "b", .bytes = noise}}, ZipNumbers::zip64),
      test::onnx_model(
          {{.name = "a", .data_type = 1, .bytes = "12345678"}, {.name = "b", .data_type = 10, .bytes = "1234"}}),
  };
  for (const std::string& good : files) {
    const std::size_t tail = std::min<std::size_t>(good.size(), 400);  // where the directory is
    for (std::uint32_t seed = 0; seed < 3000; ++seed) {
      std::mt19937 random(seed);
      std::string file = good;
      for (std::size_t left = 1 + random() % 3; left > 0; --left) {
        file[file.size() - 1 - random() % tail] = static_cast<char>(random() % 3 == 0 ? 0xFF : random() & 0xFFU);
      }
      tensors_of(file);
      if (testing::Test::HasFailure()) FAIL() << "seed " << seed;
    }
  }
}

}  // namespace
}  // namespace arenacache::model
