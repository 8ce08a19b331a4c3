// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/backing_ids.h"

#include <memory>
#include <utility>

#include "arenacache/base/log.h"

namespace arenacache::vfs {

void BackingIds::start(std::shared_ptr<BackingDevice> device, bool offers) {
  base::MutexLock lock(mutex_);
  offers_ = offers;
  device_ = std::move(device);
}

void BackingIds::stop() {
  base::MutexLock lock(mutex_);
  device_ = nullptr;
}

bool BackingIds::is_available() const {
  base::MutexLock lock(mutex_);
  return device_ != nullptr && offers_;
}

std::shared_ptr<const BackingIds::Hold> BackingIds::acquire(NodeId node, const cache::BackingFile& file) {
  base::MutexLock lock(mutex_);
  if (!device_ || !offers_) return nullptr;
  auto at = shares_.find({node, file.key});
  if (at == shares_.end()) {
    const auto id = device_->open(file.descriptor);
    if (!id) {
      base::log_debug(id.error().what);
      return nullptr;
    }
    at = shares_.emplace(std::pair(node, file.key), Share{.file = file, .id = *id}).first;
  }
  ++at->second.holds;
  return std::make_shared<const Hold>(*this, node, file, at->second.id);
}

std::shared_ptr<const BackingIds::Hold> BackingIds::adopt(NodeId node, cache::BackingKey key, std::int32_t id,
                                                          std::shared_ptr<const void> owner) {
  const cache::BackingFile file{.key = key, .descriptor = -1, .owner = std::move(owner)};
  base::MutexLock lock(mutex_);
  Share& share = shares_.try_emplace({node, key}, Share{.file = file, .id = id}).first->second;
  ++share.holds;
  return std::make_shared<const Hold>(*this, node, file, share.id);
}

std::shared_ptr<const BackingIds::Hold> BackingIds::share(NodeId node, cache::BackingKey key) {
  base::MutexLock lock(mutex_);
  const auto at = shares_.find({node, key});
  if (at == shares_.end()) return nullptr;
  ++at->second.holds;
  return std::make_shared<const Hold>(*this, node, at->second.file, at->second.id);
}

void BackingIds::give_back(NodeId node, cache::BackingKey key, std::int32_t id) {
  base::MutexLock lock(mutex_);
  const auto at = shares_.find({node, key});
  const bool is_had = at != shares_.end() && at->second.id == id;
  if (device_ && !is_had) device_->close(id);
}

void BackingIds::release(NodeId node, cache::BackingKey key) {
  cache::BackingFile file;  // closed without the lock
  base::MutexLock lock(mutex_);
  const auto at = shares_.find({node, key});
  if (at == shares_.end() || --at->second.holds > 0) return;
  if (device_) device_->close(at->second.id);
  file = std::move(at->second.file);
  shares_.erase(at);
}

}  // namespace arenacache::vfs
