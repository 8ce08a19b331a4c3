// SPDX-License-Identifier: Apache-2.0
// ZstdCoder, ZstdDecoder: zstd as this module uses it, so that only one file sees the library.
// Promises: a frame of `compress` never exceeds its room, and `decompress` gives exactly as many bytes as asked for or fails.
// Threads: one at a time. Owner: zstd's contexts; compressing keeps below 100 MiB, decompressing below 200 KiB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace arenacache::codec {

/// What zstd does with a run of bytes.
enum class ZstdWork : std::uint8_t {
  count,  ///< a code by how common each byte is (Huffman's); long repeats only where they are found in passing
  repeats,  ///< long repeats only, and the rest as it is: takes next to no time, and less to decode
  search,  ///< all that a level of zstd's does
};

/// How one run of bytes is compressed.
struct ZstdSettings {
  ZstdWork work = ZstdWork::count;
  int level = 0;  ///< zstd's, for ZstdWork::search
  /// log2 of the bytes that a code table serves, and beyond which no repeat is found; 0: as the level says.
  unsigned window_log = 0;
  bool operator==(const ZstdSettings&) const = default;
};

class ZstdCoder {
 public:
  ZstdCoder();
  ~ZstdCoder();
  ZstdCoder(const ZstdCoder&) = delete;
  ZstdCoder& operator=(const ZstdCoder&) = delete;

  /// @return the bytes of the frame; nothing if it does not fit into `room`.
  std::optional<std::size_t> compress(const ZstdSettings& settings, std::span<const std::byte> bytes,
                                      std::span<std::byte> room);

 private:
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
  std::optional<ZstdSettings> settings_;  ///< what context_ is set to
};

class ZstdDecoder {
 public:
  ZstdDecoder();
  ~ZstdDecoder();
  ZstdDecoder(const ZstdDecoder&) = delete;
  ZstdDecoder& operator=(const ZstdDecoder&) = delete;

  /// @return whether `frame` is one zstd frame of exactly `out.size()` bytes, now in `out`.
  bool decompress(std::span<const std::byte> frame, std::span<std::byte> out);

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace arenacache::codec
