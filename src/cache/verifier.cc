// SPDX-License-Identifier: Apache-2.0
#include "verifier.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "arenacache/store/raw_check.h"
#include "core.h"

namespace arenacache::cache {

base::Result<void> Verifier::verify(Object& object) {
  AC_ASSIGN(auto check, store::RawCheck::open(*core_.tier, object.id, object.size));
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
    AC_TRY(check.check(block, expected));
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
