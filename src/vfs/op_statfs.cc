// SPDX-License-Identifier: Apache-2.0
#include <optional>
#include <utility>

#include "attribute_check.h"
#include "operations.h"

namespace arenacache::vfs {

void statfs(const FilesystemPtr& fs, Reply reply) {
  using Space = struct ::statvfs;
  if (const auto known = fs->space().get(fs->fresh_since())) return reply.space(*known);
  const auto old = fs->space().get(base::TimePoint::min());
  const std::uint64_t asked = fs->space().changes();
  OriginCheck<Space> check;
  check.is_known = old.has_value();
  check.call = [](origin::Origin& origin) { return origin.space(); };
  check.late = [fs, asked](const base::Result<Space>& said) {
    if (said) fs->space().set(*said, fs->clock().now(), asked);
  };
  check.answer = [fs, old, asked, reply = std::move(reply)](std::optional<base::Result<Space>> said) mutable {
    if (!said) return reply.space(*old);
    if (!*said) return reply.fail(said->error());
    fs->space().set(**said, fs->clock().now(), asked);
    reply.space(**said);
  };
  start(fs, std::move(check));
}

}  // namespace arenacache::vfs
