// SPDX-License-Identifier: Apache-2.0
// SentAway: threads whose open was answered ESTALE, until it is answered otherwise. The kernel looks the name up again, once: a
// second ESTALE would be the program's. The next worker knows them too.
// Owner: NodeTable, which guards it. Threads: under NodeTable's lock. Never: more than handover::kMostSentAway of them; the oldest go.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "arenacache/handover/records.h"
#include "arenacache/vfs/node.h"

namespace arenacache::vfs {

enum class OpenKind : std::uint8_t { read, write };

class SentAway {
 public:
  /// `records` may be null.
  explicit SentAway(handover::Records* records) : records_(records) {}

  /// Takes over those of an earlier worker.
  void adopt();
  /// False: it was there already; `kind` is of the last time.
  bool add(pid_t thread, OpenKind kind);
  [[nodiscard]] bool has(pid_t thread) const { return find(thread) != all_.end(); }
  /// Whether it comes back to write.
  [[nodiscard]] bool is_writer(pid_t thread) const;
  [[nodiscard]] std::vector<pid_t> readers() const;
  void remove(pid_t thread);

  /// The node that a writer which was sent away was shown last, and will open.
  void show(pid_t thread, NodeId node);
  /// Whether such a writer may come to open it.
  [[nodiscard]] bool is_shown(NodeId node) const;

 private:
  struct Entry {
    pid_t thread = 0;
    OpenKind kind = OpenKind::read;
    NodeId node = kNoNode;
    std::size_t record = 0;
  };
  [[nodiscard]] std::deque<Entry>::const_iterator find(pid_t thread) const;
  [[nodiscard]] std::deque<Entry>::iterator find(pid_t thread);

  handover::Records* const records_;
  std::deque<Entry> all_;
};

}  // namespace arenacache::vfs
