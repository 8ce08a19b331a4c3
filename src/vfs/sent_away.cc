// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/sent_away.h"

#include <algorithm>
#include <utility>

namespace arenacache::vfs {

std::deque<SentAway::Entry>::const_iterator SentAway::find(pid_t thread) const {
  return std::ranges::find(all_, thread, &Entry::thread);
}

std::deque<SentAway::Entry>::iterator SentAway::find(pid_t thread) {
  return std::ranges::find(all_, thread, &Entry::thread);
}

void SentAway::adopt() {
  for (const auto& [record, left] : records_->sent_away()) {
    const auto thread = static_cast<pid_t>(left.thread);
    if (has(thread)) {
      records_->remove_sent_away(record);
      continue;
    }
    all_.push_back({.thread = thread,
                    .kind = left.is_writer ? OpenKind::write : OpenKind::read,
                    .node = NodeId{left.node},
                    .record = record});
  }
}

bool SentAway::add(pid_t thread, OpenKind kind) {
  const auto found = find(thread);
  const NodeId node = found != all_.end() ? found->node : kNoNode;
  const bool is_new = found == all_.end();
  if (!is_new && found->kind == kind) return false;
  remove(is_new && all_.size() == handover::kMostSentAway ? all_.front().thread : thread);
  Entry entry{.thread = thread, .kind = kind, .node = node};
  if (records_ != nullptr) {
    entry.record = records_->add_sent_away({.thread = static_cast<std::uint32_t>(thread),
                                            .is_writer = kind == OpenKind::write,
                                            .node = std::to_underlying(node)});
  }
  all_.push_back(entry);
  return is_new;
}

bool SentAway::is_writer(pid_t thread) const {
  const auto found = find(thread);
  return found != all_.end() && found->kind == OpenKind::write;
}

std::vector<pid_t> SentAway::readers() const {
  std::vector<pid_t> threads;
  for (const Entry& one : all_) {
    if (one.kind == OpenKind::read) threads.push_back(one.thread);
  }
  return threads;
}

void SentAway::remove(pid_t thread) {
  const auto found = find(thread);
  if (found == all_.end()) return;
  if (records_ != nullptr) records_->remove_sent_away(found->record);
  all_.erase(found);
}

void SentAway::show(pid_t thread, NodeId node) {
  const auto found = find(thread);
  if (found == all_.end()) return;
  found->node = node;
  if (records_ != nullptr) records_->show_sent_away(found->record, std::to_underlying(node));
}

bool SentAway::is_shown(NodeId node) const {
  return std::ranges::any_of(all_, [&](const Entry& one) { return one.node == node; });
}

}  // namespace arenacache::vfs
