// SPDX-License-Identifier: Apache-2.0
#include "outage.h"

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"
#include "arenacache/origin/health.h"
#include "core.h"

namespace arenacache::cache {
namespace {

using origin::Health;

void tell(const std::string& name, const origin::OriginHealth& now) {
  switch (now.health) {
    case Health::up:
      return base::log_info(base::text(name, ": the source answers again"));
    case Health::degraded:
      if (now.is_answering) {
        return base::log_warn(base::text(name, ": the source answers, but some calls have not come back"));
      }
      return base::log_warn(base::text(name, ": the source may be away: ", now.why.what));
    case Health::down:
      return base::log_warn(
          base::text(name, ": the source does not answer, what is known of it is served: ", now.why.what));
  }
}

}  // namespace

void hear_of_outages(const std::shared_ptr<Core>& core, const std::shared_ptr<Source>& source) {
  source->guarded->on_health_change(
      [weak = std::weak_ptr(core), name = source->name, told = Health::up](const origin::OriginHealth& now) mutable {
        if (now.health != told) tell(name, now);
        told = now.health;
        const auto alive = weak.lock();
        if (alive && now.is_answering) alive->copier.go_on();
      });
}

}  // namespace arenacache::cache
