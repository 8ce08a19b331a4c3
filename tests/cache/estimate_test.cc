// SPDX-License-Identifier: Apache-2.0
// What packing would save: as near to the truth as is promised, and without a trace.
#include "estimate.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "arenacache/base/text.h"
#include "arenacache/codec/element_type.h"
#include "arenacache/codec/encoder.h"
#include "arenacache/codec/frame.h"
#include "arenacache/store/pack_plan.h"
#include "codec/weights.h"
#include "engine_fixture.h"

namespace arenacache::cache {
namespace {

using codec::ElementType;
using test::OriginCall;

struct Layer {
  std::string name;
  std::string dtype;
  std::vector<std::byte> bytes;
};

std::string safetensors(const std::vector<Layer>& layers) {
  std::string json = "{";
  std::string data;
  for (const Layer& layer : layers) {
    const std::size_t element = layer.dtype == "F32" ? 4 : layer.dtype == "F8_E4M3" ? 1 : 2;
    json += base::text(json.size() > 1 ? "," : "", "\"", layer.name, "\":{\"dtype\":\"", layer.dtype, "\",\"shape\":[",
                       layer.bytes.size() / element, "],\"data_offsets\":[", data.size(), ",",
                       data.size() + layer.bytes.size(), "]}");
    for (const std::byte byte : layer.bytes) data += static_cast<char>(std::to_integer<unsigned char>(byte));
  }
  json += "}";
  std::string out(8, '\0');
  const std::uint64_t length = json.size();
  std::memcpy(out.data(), &length, sizeof length);
  return out + json + data;
}

/// As a model has them: each with another scale, big ones and small ones, most of `type` and some f32.
std::string model_file(ElementType type, const std::string& dtype, std::size_t layers) {
  std::vector<Layer> all;
  for (std::size_t i = 0; i < layers; ++i) {
    auto weights = test::channel_weights(500'000 + i * 7'001, 512 + 64 * (i % 5), i);
    const float scale = std::exp2(-static_cast<float>(i % 4));
    for (float& each : weights) each *= scale;
    all.push_back({.name = base::text("layer", i), .dtype = dtype, .bytes = test::cast(weights, type)});
    all.push_back({.name = base::text("norm", i),
                   .dtype = "F32",
                   .bytes = test::cast(test::gaussian_weights(4096, i), ElementType::f32)});
  }
  return safetensors(all);
}

model::ReadAt reader_of(const std::string& file, std::uint64_t* read_bytes = nullptr) {
  return [&file, read_bytes](std::span<std::byte> out, std::uint64_t offset) -> base::Result<void> {
    std::memcpy(out.data(), file.data() + offset, out.size());
    if (read_bytes != nullptr) *read_bytes += out.size();
    return {};
  };
}

/// What all of the file's chunks take on a disk, encoded, with a line of a manifest each.
double packed_bytes(const std::string& file) {
  const auto table = test::must(model::find_tensors(reader_of(file), file.size()));
  const auto bytes = std::as_bytes(std::span(file));
  codec::Encoder encoder;
  std::vector<std::byte> frame(codec::frame_bound(store::kMaxChunkBytes));
  std::size_t sum = 0;
  for (const store::PlannedChunk& chunk : store::plan_chunks(&table, file.size()).chunks) {
    const std::size_t blocks =
        (encoder.encode(bytes.subspan(chunk.offset, chunk.bytes), chunk.type, frame) + 4095) / 4096;
    sum += blocks * 4096 + 64;
  }
  return static_cast<double>(sum);
}

void expect_near(const std::string& file, const std::string& types) {
  std::uint64_t read_bytes = 0;
  const PackEstimate estimate = test::must(estimate_packing(reader_of(file, &read_bytes), file.size()));
  EXPECT_NEAR(static_cast<double>(estimate.packed_bytes) / packed_bytes(file), 1, 0.02);
  EXPECT_EQ(estimate.types, types);
  EXPECT_EQ(estimate.size_bytes, file.size());
  EXPECT_LE(read_bytes, kMostSampled + kMiB);
  EXPECT_LE(estimate.sampled_bytes, read_bytes);
}

// Each takes a sanitizer half a minute, on one thread; all types go the same way.
#if !ARENACACHE_IS_SANITIZED
TEST(Estimate, IsNearForF16) { expect_near(model_file(ElementType::f16, "F16", 60), "F16 99 %, F32 1 %"); }
TEST(Estimate, IsNearForF32) { expect_near(model_file(ElementType::f32, "F32", 30), "F32 100 %"); }
TEST(Estimate, IsNearForF8) { expect_near(model_file(ElementType::f8_e4m3, "F8_E4M3", 90), "F8_E4M3 98 %, F32 2 %"); }
#endif
TEST(Estimate, IsNearForBf16) { expect_near(model_file(ElementType::bf16, "BF16", 60), "BF16 99 %, F32 1 %"); }
TEST(Estimate, IsNearForASmallFile) { expect_near(model_file(ElementType::bf16, "BF16", 3), "BF16 98 %, F32 2 %"); }

TEST(Estimate, NothingIsNothing) {
  const PackEstimate estimate = test::must(estimate_packing(reader_of(""), 0));
  EXPECT_EQ(estimate.packed_bytes, 0U);
  EXPECT_EQ(estimate.types, "");
}

class EngineEstimate : public EngineFixture {
 protected:
  EngineEstimate() { origin_->put("m.safetensors", model_file(ElementType::bf16, "BF16", 4)); }
};

TEST_F(EngineEstimate, ReadsTheOriginAndLeavesNoTrace) {
  start();
  const PackEstimate estimate = test::must(engine_->estimate(ref("m.safetensors")));
  EXPECT_LT(estimate.packed_bytes, estimate.size_bytes * 3 / 4);
  EXPECT_TRUE(engine_->list(source_, "").empty());
  EXPECT_EQ(engine_->stats().opens_total, 0U);
  EXPECT_EQ(engine_->stats().reads_miss, 0U);
}

TEST_F(EngineEstimate, ReadsTheStoreWhereThatHasIt) {
  start();
  EXPECT_TRUE(engine_->prefetch(ref("m.safetensors")));
  await_resident("m.safetensors");
  restart();
  const auto before = origin_->read_bytes();
  const PackEstimate estimate = test::must(engine_->estimate(ref("m.safetensors")));
  EXPECT_LT(estimate.packed_bytes, estimate.size_bytes * 3 / 4);
  EXPECT_EQ(origin_->read_bytes(), before);
}

TEST_F(EngineEstimate, AnErrorOfTheOriginIsTheAnswer) {
  start();
  origin_->fail_next(OriginCall::open, 100, EACCES);
  EXPECT_TRUE(test::has_kind(engine_->estimate(ref("m.safetensors")), base::ErrorKind::origin));
}

TEST_F(EngineEstimate, EndsWhenItIsToldToWhileTheOriginHangs) {
  start();
  const FileRef file = ref("m.safetensors");
  origin_->close_gate(OriginCall::read);
  std::stop_source stop;
  std::jthread stopper([&] {
    EXPECT_TRUE(origin_->await_held(OriginCall::read, 1));
    stop.request_stop();
  });
  EXPECT_TRUE(test::has_kind(engine_->estimate(file, stop.get_token()), base::ErrorKind::cancelled));
}

}  // namespace
}  // namespace arenacache::cache
