// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <memory>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/policy/eviction_policy.h"
#include "arenacache/policy/lru_policy.h"

namespace arenacache::policy {

base::Result<std::unique_ptr<EvictionPolicy>> make_eviction_policy(std::string_view name) {
  if (name == "lru") return std::make_unique<LruPolicy>();
  return base::fail(base::ErrorKind::invalid, EINVAL,
                    base::text("cache.policy \"", name, "\" is not known; the policies are: lru"));
}

}  // namespace arenacache::policy
