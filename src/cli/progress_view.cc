// SPDX-License-Identifier: Apache-2.0
#include "progress_view.h"

#include "arenacache/base/units.h"

namespace arenacache::cli {

namespace {

constexpr const char* kEraseLine = "\r\033[K";

}  // namespace

void ProgressView::show(const Progress& progress) {
  const base::TimePoint now = clock_.now();
  rate_.add(now, progress.cached_bytes);
  if (console_.is_terminal) {
    console_.out << kEraseLine << progress_line(progress, rate_.bytes_per_second(), console_.style) << std::flush;
    return;
  }
  const int tenth = static_cast<int>(progress.ratio() * 10);
  if (tenth <= last_tenth_) return;
  last_tenth_ = tenth;
  console_.out << tenth * 10 << " %, " << base::format_size(progress.cached_bytes) << " of "
               << base::format_size(progress.total_bytes) << ", " << progress.done_files << " of "
               << progress.total_files << " files" << std::endl;
}

void ProgressView::end() {
  if (console_.is_terminal) console_.out << kEraseLine << std::flush;
}

}  // namespace arenacache::cli
