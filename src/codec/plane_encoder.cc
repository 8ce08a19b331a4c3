// SPDX-License-Identifier: Apache-2.0
#include "plane_encoder.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "arenacache/base/result.h"
#include "estimate.h"
#include "frame_format.h"
#include "layout.h"
#include "pair_table.h"
#include "zstd_coder.h"

namespace arenacache::codec {

namespace {

/// As Layout::least_gain, for the parts of pairs, and for what costs nothing to decode.
constexpr std::size_t kLeastGainOfParts = 64;
constexpr std::size_t kLeastFreeGain = 128;
constexpr std::size_t kZstdHeadBytes = 1 + sizeof(std::uint32_t);
constexpr unsigned kWholeWindow = 17;
static_assert(std::size_t{1} << kWholeWindow == kMaxPlaneBytes);

/// What a coded plane of `bytes` may take at most, to save one byte in `gain`.
std::size_t worthwhile(std::size_t bytes, std::size_t gain) { return bytes - bytes / gain; }

}  // namespace

PlaneEncoder::PlaneEncoder(const Kernels& kernels, int search_level, bool searches_noise)
    : kernels_(kernels),
      search_{.work = ZstdWork::search, .level = search_level, .window_log = kWholeWindow},
      searches_noise_(searches_noise),
      pairs_(pair_bytes(kMaxPlaneBytes)),
      escapes_(kMaxPlaneBytes) {}

void PlaneEncoder::encode_raw(std::span<const std::byte> plane, FrameWriter& out) {
  out.put_number(static_cast<std::uint8_t>(PlaneMode::raw));
  out.put(plane);
}

bool PlaneEncoder::try_zstd(ZstdCoder& coder, const ZstdSettings& settings, std::span<const std::byte> plane,
                            std::size_t limit, FrameWriter& out) {
  const std::size_t begin = out.size();
  out.put_number(static_cast<std::uint8_t>(PlaneMode::zstd));
  out.put_number<std::uint32_t>(0);
  if (out.is_overfull()) return false;
  const std::size_t length_at = out.size() - sizeof(std::uint32_t);
  const auto size = coder.compress(settings, plane, out.rest());
  if (!size || *size + kZstdHeadBytes > limit) {
    out.rewind(begin);
    return false;
  }
  out.set_number(length_at, static_cast<std::uint32_t>(*size));
  out.advance(*size);
  return true;
}

void PlaneEncoder::encode_small(std::span<const std::byte> plane, unsigned table_span, std::size_t gain,
                                FrameWriter& out) {
  const ZstdSettings settings{.work = ZstdWork::count, .window_log = table_span};
  if (!try_zstd(counting_, settings, plane, worthwhile(plane.size(), gain), out)) encode_raw(plane, out);
}

void PlaneEncoder::encode_pairs(const PairTable& table, std::span<const std::byte> plane, unsigned table_span,
                                FrameWriter& out) {
  const std::size_t escaped = kernels_.pack_pairs(table, plane, pairs_.span().data(), escapes_.span().data());
  out.put_number(static_cast<std::uint8_t>(PlaneMode::pairs));
  out.put_number(static_cast<std::uint8_t>(table.count));
  out.put(table.codes());
  out.put_number(static_cast<std::uint32_t>(escaped));
  encode_small(pairs_.span().first(pair_bytes(plane.size())), table_span, kLeastGainOfParts, out);
  if (escaped > 0) encode_small(escapes_.span().first(escaped), table_span, kLeastGainOfParts, out);
}

void PlaneEncoder::encode_counted(const PlaneEstimate& seen, std::span<const std::byte> plane, std::size_t gain,
                                  FrameWriter& out) {
  const std::size_t begin = out.size();
  const unsigned table_span = choose_table_span(seen);
  const PairTable table = choose_pairs(seen);
  if (table.count > 0) {
    encode_pairs(table, plane, table_span, out);
    if (out.size() - begin <= worthwhile(plane.size(), gain)) return;
    out.rewind(begin);
  }
  encode_small(plane, table_span, gain, out);
}

void PlaneEncoder::encode(std::span<const std::byte> plane, const Layout& layout, FrameWriter& out) {
  if (is_constant(plane)) {
    out.put_number(static_cast<std::uint8_t>(PlaneMode::constant));
    out.put(plane.first(1));
    return;
  }
  const std::size_t most = worthwhile(plane.size(), layout.least_gain);
  if (!layout.is_noisy) {
    if (!try_zstd(searching_, search_, plane, most, out)) encode_raw(plane, out);
    return;
  }
  const PlaneEstimate seen = estimate(plane);
  if (seen.local_bits > 8.0 - 8.0 / static_cast<double>(layout.least_gain)) {
    // What little repeats hold is had for nothing: what is between them is stored as it is.
    const ZstdSettings repeats{.work = ZstdWork::repeats, .window_log = kWholeWindow};
    if (!try_zstd(repeats_, repeats, plane, worthwhile(plane.size(), kLeastFreeGain), out)) encode_raw(plane, out);
    return;
  }
  const std::size_t begin = out.size();
  encode_counted(seen, plane, layout.least_gain, out);
  if (!searches_noise_) return;
  const std::size_t end = out.size();
  if (try_zstd(searching_, search_, plane, std::min(end - begin, most), out)) out.drop(begin, end);
}

}  // namespace arenacache::codec
