// SPDX-License-Identifier: Apache-2.0
#include "arenacache/model/header.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "model_files.h"
#include "reading_check.h"
#include "support/matchers.h"

namespace arenacache::model {
namespace {

using test::bytes_of;
using test::complaint_about;
using test::ModelFile;

Format recognised(std::string_view head, std::uint64_t size) { return recognise(bytes_of(head), size); }

TEST(Recognise, KnowsBothFormatsByTheirBytes) {
  const ModelFile safetensors = test::sample_safetensors();
  EXPECT_EQ(recognised(safetensors.head, safetensors.size), Format::safetensors);
  EXPECT_EQ(recognised(safetensors.head.substr(0, kRecogniseBytes), safetensors.size), Format::safetensors);
  const ModelFile gguf = test::sample_gguf();
  EXPECT_EQ(recognised(gguf.head.substr(0, kRecogniseBytes), gguf.size), Format::gguf);
}

TEST(Recognise, EverythingElseIsOther) {
  using std::string_view_literals::operator""sv;
  EXPECT_EQ(recognised("", 0), Format::other);
  EXPECT_EQ(recognised("", 1000), Format::other);
  EXPECT_EQ(recognised("PK\3\4 a zip file", 1000), Format::other);
  EXPECT_EQ(recognised("\2\0\0\0\0\0\0\0"sv, 1000), Format::other) << "one byte short of telling";
  EXPECT_EQ(recognised("\2\0\0\0\0\0\0\0["sv, 1000), Format::other) << "no object";
  EXPECT_EQ(recognised("\0\0\0\0\0\0\0\0{"sv, 1000), Format::other) << "length 0";
  EXPECT_EQ(recognised("\3\0\0\0\0\0\0\0{}"sv, 10), Format::other) << "longer than the file";
  EXPECT_EQ(recognised("\1\0\x40\6\0\0\0\0{"sv, std::uint64_t{1} << 40U), Format::other) << "100 MiB and a byte";
  EXPECT_EQ(recognised("\0\0\x40\6\0\0\0\0{"sv, std::uint64_t{1} << 40U), Format::safetensors) << "100 MiB";
  EXPECT_EQ(recognised("\2\0\0\0\0\0\0\0{}"sv, 10), Format::safetensors);
}

TEST(ReadHeader, WhatIsNoModelFileIsInvalid) {
  EXPECT_TRUE(test::has_kind(read_header({}, 0), base::ErrorKind::invalid));
  EXPECT_TRUE(test::has_kind(read_header(bytes_of("some text file"), 14), base::ErrorKind::invalid));
  EXPECT_TRUE(test::has_kind(read_header(bytes_of("GGUF"), 4), base::ErrorKind::invalid));
}

TEST(ReadHeader, TheErrorNamesTheFormat) {
  const auto safetensors = test::safetensors_file("{]", 0);
  const auto reading = read_header(bytes_of(safetensors.head), safetensors.size);
  ASSERT_FALSE(reading);
  EXPECT_TRUE(reading.error().what.contains("safetensors file: it is not valid JSON near byte"))
      << reading.error().what;
}

TEST(ReadHeader, AsksForTheFirstBytesFirst) {
  const auto reading = test::must(read_header({}, 1000));
  EXPECT_EQ(std::get<NeedMore>(reading).at_least, kRecogniseBytes);
  EXPECT_EQ(std::get<NeedMore>(test::must(read_header({}, 5))).at_least, 5U);
}

TEST(ReadHeader, BytesBehindTheEndOfTheFileDoNotCount) {
  const ModelFile file = test::safetensors_file("{}", 0);
  const auto reading = read_header(bytes_of(file.head + "more"), file.size);
  EXPECT_TRUE(std::holds_alternative<TensorTable>(test::must(reading)));
}

/// Reads as a caller does who follows `sensible`; the rounds it took, 0 if there was no table in the end.
std::size_t rounds(const ModelFile& file) {
  std::size_t length = 0;
  for (std::size_t round = 1;; ++round) {
    const auto reading = test::must(read_header(bytes_of(file.head).first(length), file.size));
    if (std::holds_alternative<TensorTable>(reading)) return round;
    length = static_cast<std::size_t>(std::get<NeedMore>(reading).sensible);
    if (length > file.head.size()) return 0;
  }
}

/// `file` as one string, its data zeros.
ModelFile whole(ModelFile file) {
  file.head.resize(static_cast<std::size_t>(file.size), '\0');
  return file;
}

TEST(ReadHeader, WhoFollowsItsAdviceIsSoonDone) {
  EXPECT_EQ(rounds(whole(test::many_safetensors(3000))), 3U);
  const std::size_t gguf = rounds(whole(test::many_gguf(2000, 150'000)));
  EXPECT_GT(gguf, 0U);
  EXPECT_LE(gguf, 9U);
}

/// Every length of head: less than the header asks for more, the rest gives the table.
void expect_every_length(const ModelFile& file, std::size_t header_bytes) {
  std::uint64_t asked = 0;
  for (std::size_t length = 0; length <= file.head.size(); ++length) {
    // A copy of its own on the heap, so that a sanitizer sees the first byte read behind its end.
    const std::string head = file.head.substr(0, length);
    const auto reading = read_header(bytes_of(head), file.size);
    ASSERT_TRUE(test::is_ok(reading)) << length;
    EXPECT_EQ(complaint_about(reading, bytes_of(head), file.size), "") << length;
    EXPECT_EQ(std::holds_alternative<TensorTable>(*reading), length >= header_bytes) << length;
    if (const auto* more = std::get_if<NeedMore>(&*reading)) {
      EXPECT_LE(more->at_least, header_bytes) << length;
      EXPECT_GE(more->at_least, asked) << length << ": it asked for more with less";
      asked = more->at_least;
    }
  }
}

/// The same in a file that ends there: an error and never a wish for more.
void expect_cut_short(const ModelFile& file) {
  for (std::size_t length = 0; length < file.head.size(); ++length) {
    const std::string head = file.head.substr(0, length);
    EXPECT_TRUE(test::has_kind(read_header(bytes_of(head), length), base::ErrorKind::invalid)) << length;
  }
}

TEST(ReadHeader, ASafetensorsHeaderCutAnywhereAsksForMore) {
  const ModelFile file = test::sample_safetensors();
  expect_every_length(file, file.head.size());
  expect_cut_short(file);
}

TEST(ReadHeader, AGgufHeaderCutAnywhereAsksForMore) {
  const ModelFile file = test::sample_gguf();
  const std::size_t unpadded = file.head.find_last_not_of('\0') + 1;
  // Its last field is an offset, 512 in 8 bytes of which the second is the last that is not 0.
  expect_every_length(file, unpadded + 6);
  expect_cut_short(file);
}

}  // namespace
}  // namespace arenacache::model
