// SPDX-License-Identifier: Apache-2.0
// SentAway: threads whose open was answered ESTALE, until it is answered otherwise. The kernel looks the name up again, once: a
// second ESTALE would be the program's. The next worker knows them too.
// Owner: NodeTable, which guards it. Threads: under NodeTable's lock. Never: more than handover::kMostSentAway of them; the oldest go.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <set>
#include <vector>

#include "arenacache/handover/records.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

enum class OpenKind : std::uint8_t { read, write };

class SentAway {
 public:
  /// `records` may be null.
  explicit SentAway(handover::Records* records) : records_(records) {}

  /// Takes over those of an earlier worker. `unanswered`: the requests that it left. Who was to be told by one of them was not, and
  /// who was to be answered comes again.
  void adopt(const std::set<std::uint64_t>& unanswered);
  /// `request`: the one that is answered ESTALE; 0: not known yet. False: it was there already; `kind` is of the last time.
  bool add(pid_t thread, OpenKind kind, std::uint64_t request = 0);
  [[nodiscard]] bool has(pid_t thread) const;
  /// Whether it comes back to write.
  [[nodiscard]] bool is_writer(pid_t thread) const;
  [[nodiscard]] std::vector<pid_t> readers() const;
  /// `request` of `thread` is about to be answered otherwise.
  void end(pid_t thread, std::uint64_t request);

  /// The node that a writer which was sent away was shown last, and will open.
  void show(pid_t thread, NodeId node);
  /// Whether such a writer may come to open it.
  [[nodiscard]] bool is_shown(NodeId node) const;

 private:
  struct Entry {
    pid_t thread = 0;
    OpenKind kind = OpenKind::read;
    NodeId node = kNoNode;
    bool has_ended = false;
    std::uint64_t told_by = 0;
    std::size_t record = 0;
  };
  /// Null: none that still counts.
  [[nodiscard]] Entry* known(pid_t thread);
  void remove(pid_t thread);

  handover::Records* const records_;
  std::deque<Entry> all_;
};

}  // namespace arenacache::vfs
