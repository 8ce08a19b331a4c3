// SPDX-License-Identifier: Apache-2.0
// RawTier::Hold: one count on an object while a call is at work on it, so that an inventory leaves its files alone.
#pragma once

#include <memory>
#include <utility>

#include "arenacache/store/ids.h"
#include "arenacache/store/raw_tier.h"

namespace arenacache::store {

class RawTier::Hold {
 public:
  Hold(RawTier& tier, ObjectId id) : tier_(tier.shared_from_this()), id_(id) { tier_->hold(id_); }
  ~Hold() {
    if (tier_) tier_->release(id_);
  }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  /// Hands the count over to a RawFile.
  [[nodiscard]] std::shared_ptr<RawTier> keep() { return std::exchange(tier_, nullptr); }

 private:
  std::shared_ptr<RawTier> tier_;
  ObjectId id_;
};

}  // namespace arenacache::store
