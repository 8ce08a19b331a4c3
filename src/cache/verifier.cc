// SPDX-License-Identifier: Apache-2.0
#include "verifier.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "arenacache/base/buffer.h"
#include "arenacache/base/hash.h"
#include "arenacache/base/text.h"
#include "core.h"

namespace arenacache::cache {
namespace {

/// Reads past the page cache want whole sectors of the disk: the file's last bytes are read the ordinary way.
constexpr std::uint64_t kSectorBytes = 4096;

}  // namespace

base::Result<void> Verifier::verify(Object& object) {
  AC_ASSIGN(const auto direct, core_.tier->open_direct(object.id));
  AC_ASSIGN(const auto buffered, core_.tier->open_file(object.id));
  base::Buffer buffer(store::kBlockBytes);
  for (store::BlockIndex block = 0; block < store::block_count(object.size); ++block) {
    std::uint64_t expected = 0;
    {
      const base::MutexLock lock(object.mutex);
      if (object.is_dropped() || core_.stopping.load()) {
        return base::fail(base::ErrorKind::cancelled, EINTR, "the object went while it was verified");
      }
      if (!object.blocks.is_present(block)) continue;
      expected = object.blocks.checksum(block);
    }
    const auto bytes = buffer.span().first(store::block_length(block, object.size));
    store::RawFile& file = bytes.size() % kSectorBytes == 0 ? *direct : *buffered;
    AC_TRY(file.read(bytes, std::uint64_t{block} * store::kBlockBytes));
    if (base::xxh3_64(bytes) != expected) {
      return base::fail(base::ErrorKind::corrupt, EIO,
                        base::text("object ", store::to_number(object.id), ", block ", block,
                                   ": what the disk has does not match its checksum"));
    }
    const base::MutexLock lock(object.mutex);
    if (!object.is_dropped()) object.blocks.set_verified(block);
  }
  return {};
}

void Verifier::start(const std::shared_ptr<Object>& object) {
  {
    const base::MutexLock lock(object->mutex);
    if (!object->must_verify || object->is_verifying) return;
    object->is_verifying = true;
  }
  core_.background.submit("verify", [core = core_.shared_from_this(), object] {
    const auto done = core->verifier.verify(*object);
    if (!done && done.error().kind != base::ErrorKind::cancelled) core->committer.store_failed(object, done.error());
    const base::MutexLock lock(object->mutex);
    object->is_verifying = false;
    if (done) object->must_verify = false;
  });
}

}  // namespace arenacache::cache
