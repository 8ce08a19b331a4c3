// SPDX-License-Identifier: Apache-2.0
// Engine::estimate: a file's bytes from wherever they are, for a sample of them.
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>

#include "arenacache/base/extent.h"
#include "arenacache/base/mutex.h"
#include "arenacache/base/text.h"
#include "arenacache/cache/engine.h"
#include "core.h"
#include "estimate.h"
#include "read_path.h"

namespace arenacache::cache {
namespace {

/// Reads one version of a file, from the store where that has all of it, and keeps nothing of it.
class WholeFile {
 public:
  WholeFile(Core& core, const FileRef& file, const std::stop_token& stop)
      : core_(core), stop_(stop), object_(core.catalog.obtain(file, true)) {}
  ~WholeFile() { core_.catalog.reader_gone(object_); }
  WholeFile(const WholeFile&) = delete;
  WholeFile& operator=(const WholeFile&) = delete;

  base::Result<void> read(std::span<std::byte> out, std::uint64_t offset) {
    if (stop_.stop_requested()) return stopped();
    const base::Extent extent{.offset = offset, .length = out.size()};
    // A store that fails says so to those who need it; here the origin does as well.
    if (is_stored() && read_stored(core_, *object_, extent, out)) return {};
    return read_origin(extent, out);
  }

 private:
  struct Answer {
    base::Mutex mutex;
    base::CondVar arrived;
    std::optional<base::Result<ReadBytes>> result AC_GUARDED_BY(mutex);
  };

  static std::unexpected<base::Error> stopped() {
    return base::fail(base::ErrorKind::cancelled, ECANCELED, "the daemon is stopping");
  }

  bool is_stored() {
    if (!core_.committer.load(object_)) return false;
    const base::MutexLock lock(object_->mutex);
    const bool has_file = object_->file != nullptr || object_->life == Life::packed;
    return object_->is_complete() && !object_->is_dropped() && has_file && object_->trust == Trust::trusted &&
           !object_->refuted;
  }

  base::Result<void> read_origin(base::Extent extent, std::span<std::byte> out) {
    if (!object_->source->guarded->is_answering())
      return base::fail(base::ErrorKind::timeout, ETIMEDOUT, base::text(object_->source->name, " does not answer"));
    auto answer = std::make_shared<Answer>();
    core_.fetcher.fetch_exact(object_, extent, Fetcher::Hold::version, [answer](base::Result<ReadBytes> result) {
      const base::MutexLock lock(answer->mutex);
      answer->result = std::move(result);
      answer->arrived.notify_all();
    });
    const std::stop_callback wake(stop_, [&] {
      const base::MutexLock lock(answer->mutex);
      answer->arrived.notify_all();
    });
    base::MutexLock lock(answer->mutex);
    while (!answer->result && !stop_.stop_requested()) answer->arrived.wait(lock);
    if (!answer->result) return stopped();
    AC_ASSIGN(const ReadBytes bytes, std::move(*answer->result));
    if (bytes.bytes.size() != out.size())
      return base::fail(base::ErrorKind::stale, ESTALE, "the file became shorter meanwhile");
    std::memcpy(out.data(), bytes.bytes.data(), out.size());
    return {};
  }

  Core& core_;
  const std::stop_token& stop_;
  const std::shared_ptr<Object> object_;
};

}  // namespace

base::Result<PackEstimate> Engine::estimate(const FileRef& file, const std::stop_token& stop) const {
  WholeFile whole(core_, file, stop);
  return estimate_packing([&](std::span<std::byte> out, std::uint64_t offset) { return whole.read(out, offset); },
                          file.version.size);
}

}  // namespace arenacache::cache
