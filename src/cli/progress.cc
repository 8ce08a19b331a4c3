// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <algorithm>
#include <cmath>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"

namespace arenacache::cli {

using base::text;

namespace {

constexpr std::size_t kLineBarColumns = 20;
constexpr double kSmoothingSeconds = 10;

std::string time_left(const Progress& progress, double rate) {
  const auto left = progress.total_bytes - std::min(progress.cached_bytes, progress.total_bytes);
  const double seconds = std::min(static_cast<double>(left) / rate, 1e8);
  return base::format_duration(std::chrono::seconds(static_cast<std::int64_t>(seconds))) + " left";
}

}  // namespace

void RateMeter::add(base::TimePoint now, std::uint64_t bytes) {
  if (last_time_ && now > *last_time_) {
    const double seconds = std::chrono::duration<double>(now - *last_time_).count();
    const double fresh = static_cast<double>(bytes - std::min(bytes, last_bytes_)) / seconds;
    const double weight = 1 - std::exp(-seconds / kSmoothingSeconds);
    rate_ = rate_ ? *rate_ + (fresh - *rate_) * weight : fresh;
  }
  last_time_ = now;
  last_bytes_ = bytes;
}

std::string progress_line(const Progress& progress, std::optional<double> rate, Style style) {
  const auto percent = static_cast<unsigned>(std::clamp(progress.ratio(), 0.0, 1.0) * 100);
  std::string line = text(painted(bar(progress.ratio(), kLineBarColumns, style), Colour::green, style),
                          percent < 100 ? "  " : " ", percent < 10 ? " " : "", percent, " %  ",
                          base::format_size(progress.cached_bytes), " of ", base::format_size(progress.total_bytes));
  if (rate && *rate >= 1) line += text("  ", base::format_rate(*rate), "  ", time_left(progress, *rate));
  return line + text("  ", format_count(progress.done_files), "/", format_count(progress.total_files), " files");
}

}  // namespace arenacache::cli
