// SPDX-License-Identifier: Apache-2.0
#include "origin_close.h"

#include <array>
#include <cstdint>
#include <utility>

#include "arenacache/origin/guarded_origin.h"

namespace arenacache::cache {

void close_origin_file(const Source& source, std::shared_ptr<origin::OriginFile> file) {
  if (!file) return;
  // A key of its own: nothing waits for it but the end.
  const std::array key{static_cast<origin::ChangeKey>(reinterpret_cast<std::uintptr_t>(file.get()))};
  source.guarded->change(key, [file = std::move(file)](origin::Origin&) mutable { file.reset(); });
}

}  // namespace arenacache::cache
