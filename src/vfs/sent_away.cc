// SPDX-License-Identifier: Apache-2.0
#include "arenacache/vfs/sent_away.h"

#include <algorithm>
#include <utility>

namespace arenacache::vfs {

bool SentAway::has(pid_t thread) const {
  return std::ranges::any_of(all_, [&](const Entry& one) { return one.thread == thread && !one.has_ended; });
}

SentAway::Entry* SentAway::known(pid_t thread) {
  const auto found = std::ranges::find(all_, thread, &Entry::thread);
  return found == all_.end() || found->has_ended ? nullptr : &*found;
}

void SentAway::adopt(const std::set<std::uint64_t>& unanswered) {
  for (const auto& [record, left] : records_->sent_away()) {
    const auto thread = static_cast<pid_t>(left.thread);
    const bool has_ended = left.ended_by != 0 && !unanswered.contains(left.ended_by);
    if (has_ended || unanswered.contains(left.told_by) || has(thread)) {
      records_->remove_sent_away(record);
      continue;
    }
    records_->end_sent_away(record, 0);
    all_.push_back({.thread = thread,
                    .kind = left.is_writer ? OpenKind::write : OpenKind::read,
                    .node = NodeId{left.node},
                    .told_by = left.told_by,
                    .record = record});
  }
}

bool SentAway::add(pid_t thread, OpenKind kind, std::uint64_t request) {
  Entry entry{.thread = thread, .kind = kind, .told_by = request};
  Entry* const before = known(thread);
  const bool is_new = before == nullptr;
  if (!is_new && before->kind == kind) {
    if (before->told_by == 0 && records_ != nullptr) records_->tell_sent_away(before->record, request);
    if (before->told_by == 0) before->told_by = request;
    return false;
  }
  if (!is_new) {
    entry.node = before->node;
    entry.told_by = before->told_by;
  }
  remove(thread);
  if (all_.size() == handover::kMostSentAway) remove(all_.front().thread);
  if (records_ != nullptr) {
    entry.record = records_->add_sent_away({.thread = static_cast<std::uint32_t>(thread),
                                            .is_writer = kind == OpenKind::write,
                                            .node = std::to_underlying(entry.node),
                                            .told_by = entry.told_by});
  }
  all_.push_back(entry);
  return is_new;
}

bool SentAway::is_writer(pid_t thread) const {
  return std::ranges::any_of(
      all_, [&](const Entry& one) { return one.thread == thread && one.kind == OpenKind::write && !one.has_ended; });
}

std::vector<pid_t> SentAway::readers() const {
  std::vector<pid_t> threads;
  for (const Entry& one : all_) {
    if (one.kind == OpenKind::read && !one.has_ended) threads.push_back(one.thread);
  }
  return threads;
}

/// The record stays, as the answer may not get out before this worker dies.
void SentAway::end(pid_t thread, std::uint64_t request) {
  Entry* const entry = known(thread);
  if (entry == nullptr) return;
  entry->has_ended = true;
  if (records_ != nullptr) records_->end_sent_away(entry->record, request);
}

void SentAway::remove(pid_t thread) {
  const auto found = std::ranges::find(all_, thread, &Entry::thread);
  if (found == all_.end()) return;
  if (records_ != nullptr) records_->remove_sent_away(found->record);
  all_.erase(found);
}

void SentAway::show(pid_t thread, NodeId node) {
  Entry* const entry = known(thread);
  if (entry == nullptr) return;
  entry->node = node;
  if (records_ != nullptr) records_->show_sent_away(entry->record, std::to_underlying(node));
}

bool SentAway::is_shown(NodeId node) const {
  return std::ranges::any_of(all_, [&](const Entry& one) { return one.node == node && !one.has_ended; });
}

}  // namespace arenacache::vfs
