// SPDX-License-Identifier: Apache-2.0
#include "zstd_coder.h"

// Only for ZSTD_c_literalCompressionMode, whose number has stayed since zstd 1.3; without it a plane is stored raw, never wrong.
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>

#include "arenacache/base/result.h"

namespace arenacache::codec {

namespace {

// Only repeats of 7 bytes or more are looked for, at every so many places; the stride grows while nothing is found. Where bytes
// are coded by how common they are, a repeat must be longer to pay, and the code is what takes the time: so fewer places.
// Measured on planes of real weights. Source of the meaning: zstd.h, ZSTD_c_targetLength (strategy "fast").
constexpr int kCountStride = 16;
constexpr int kRepeatsStride = 4;
constexpr int kMinMatch = 7;
constexpr int kHashLog = 13;

void set(ZSTD_CCtx* context, ZSTD_cParameter parameter, int value) {
  AC_CHECK(ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value)) == 0);
}

void apply(ZSTD_CCtx* context, const ZstdSettings& settings) {
  AC_CHECK(ZSTD_isError(ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)) == 0);
  // Who decodes knows the size, and the whole has a checksum.
  set(context, ZSTD_c_contentSizeFlag, 0);
  set(context, ZSTD_c_checksumFlag, 0);
  if (settings.window_log != 0) set(context, ZSTD_c_windowLog, static_cast<int>(settings.window_log));
  if (settings.work == ZstdWork::search) {
    set(context, ZSTD_c_compressionLevel, settings.level);
    return;
  }
  const bool counts = settings.work == ZstdWork::count;
  set(context, ZSTD_c_strategy, ZSTD_fast);
  set(context, ZSTD_c_targetLength, counts ? kCountStride : kRepeatsStride);
  set(context, ZSTD_c_minMatch, kMinMatch);
  set(context, ZSTD_c_hashLog, kHashLog);
  set(context, ZSTD_c_literalCompressionMode, counts ? ZSTD_ps_enable : ZSTD_ps_disable);
}

}  // namespace

void ZstdCoder::Free::operator()(ZSTD_CCtx_s* context) const { ZSTD_freeCCtx(context); }

ZstdCoder::ZstdCoder() : context_(ZSTD_createCCtx()) { AC_CHECK(context_ != nullptr); }
ZstdCoder::~ZstdCoder() = default;

std::optional<std::size_t> ZstdCoder::compress(const ZstdSettings& settings, std::span<const std::byte> bytes,
                                               std::span<std::byte> room) {
  if (settings != settings_) apply(context_.get(), settings);
  settings_ = settings;
  const std::size_t size = ZSTD_compress2(context_.get(), room.data(), room.size(), bytes.data(), bytes.size());
  if (ZSTD_isError(size) != 0) return std::nullopt;
  return size;
}

void ZstdDecoder::Free::operator()(ZSTD_DCtx_s* context) const { ZSTD_freeDCtx(context); }

ZstdDecoder::ZstdDecoder() : context_(ZSTD_createDCtx()) { AC_CHECK(context_ != nullptr); }
ZstdDecoder::~ZstdDecoder() = default;

bool ZstdDecoder::decompress(std::span<const std::byte> frame, std::span<std::byte> out) {
  return ZSTD_decompressDCtx(context_.get(), out.data(), out.size(), frame.data(), frame.size()) == out.size();
}

}  // namespace arenacache::codec
