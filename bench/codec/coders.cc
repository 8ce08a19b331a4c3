// SPDX-License-Identifier: Apache-2.0
#include "coders.h"

#include <lz4.h>
#include <zstd.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arenacache/codec/decoder.h"
#include "arenacache/codec/encoder.h"

namespace arenacache::bench {

namespace {

class OursCoder final : public Coder {
 public:
  OursCoder(std::string name, codec::Level level) : name_(std::move(name)), encoder_({.level = level}) {}

  [[nodiscard]] std::string name() const override { return name_; }
  std::size_t encode(const Block& block, std::span<std::byte> out) override {
    if (block.base.empty()) return encoder_.encode(block.bytes, block.type, out);
    return encoder_.encode_delta(block.bytes, block.base, block.type, out);
  }
  bool decode(const Block& block, std::span<const std::byte> encoded, std::span<std::byte> out) override {
    return decoder_.decode_delta(encoded, block.base, out).has_value();
  }

 private:
  std::string name_;
  codec::Encoder encoder_;
  codec::Decoder decoder_;
};

class ZstdCoder final : public Coder {
 public:
  explicit ZstdCoder(int level) : level_(level) {}

  [[nodiscard]] std::string name() const override { return "zstd -" + std::to_string(level_); }
  std::size_t encode(const Block& block, std::span<std::byte> out) override {
    return ZSTD_compressCCtx(encoder_.get(), out.data(), out.size(), block.bytes.data(), block.bytes.size(), level_);
  }
  bool decode(const Block& /*block*/, std::span<const std::byte> encoded, std::span<std::byte> out) override {
    return ZSTD_decompressDCtx(decoder_.get(), out.data(), out.size(), encoded.data(), encoded.size()) == out.size();
  }

 private:
  int level_;
  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> encoder_{ZSTD_createCCtx(), &ZSTD_freeCCtx};
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> decoder_{ZSTD_createDCtx(), &ZSTD_freeDCtx};
};

class Lz4Coder final : public Coder {
 public:
  [[nodiscard]] std::string name() const override { return "lz4"; }
  std::size_t encode(const Block& block, std::span<std::byte> out) override {
    return static_cast<std::size_t>(
        LZ4_compress_default(reinterpret_cast<const char*>(block.bytes.data()), reinterpret_cast<char*>(out.data()),
                             static_cast<int>(block.bytes.size()), static_cast<int>(out.size())));
  }
  bool decode(const Block& /*block*/, std::span<const std::byte> encoded, std::span<std::byte> out) override {
    return LZ4_decompress_safe(reinterpret_cast<const char*>(encoded.data()), reinterpret_cast<char*>(out.data()),
                               static_cast<int>(encoded.size()),
                               static_cast<int>(out.size())) == static_cast<int>(out.size());
  }
};

}  // namespace

std::vector<std::unique_ptr<Coder>> all_coders() {
  std::vector<std::unique_ptr<Coder>> coders;
  coders.push_back(std::make_unique<OursCoder>("fast", codec::Level::fast));
  coders.push_back(std::make_unique<OursCoder>("high", codec::Level::high));
  for (const int level : {1, 3, 9}) coders.push_back(std::make_unique<ZstdCoder>(level));
  coders.push_back(std::make_unique<Lz4Coder>());
  return coders;
}

}  // namespace arenacache::bench
