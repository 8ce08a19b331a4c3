// SPDX-License-Identifier: Apache-2.0
// Area: what one mount's worker leaves to the next: an anonymous shared memory file that the keeper holds and workers map.
// Promises: at any instant it can be taken over by another process: each entry is written before what marks it as valid, and
// taken back in the opposite order. What it holds is in docs/architecture.md, "Live hand-over"; format.h has the layout.
// Owner: the worker's services, one a mount; the keeper only creates and keeps the file. Threads: any, see the parts.
// Never: waits for a disk; an entry that makes no sense is dropped, never followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "arenacache/handover/records.h"
#include "arenacache/handover/request_slots.h"

namespace arenacache::handover {

/// What kernel and first worker agreed on: later workers repeat it to their libfuse, and change nothing of it.
/// Threads: written by the one thread that answers INIT.
class InitExchange {
 public:
  explicit InitExchange(std::span<std::byte> memory) : memory_(memory) {}

  /// Empty: no request was seen, or it does not fit (no kernel's does).
  [[nodiscard]] std::span<const std::byte> request() const;
  /// The reply's header and body as the kernel accepted them; empty: not answered yet.
  [[nodiscard]] std::span<const std::byte> reply() const;
  void keep_request(std::span<const std::byte> request);
  void keep_reply(std::span<const std::byte> reply);

 private:
  std::span<std::byte> memory_;
};

class Area {
 public:
  /// An empty area, close-on-exec. Takes no memory until it is used.
  [[nodiscard]] static base::Result<base::UniqueFd> create();
  /// Maps an area; formats an empty one. ErrorKind::invalid with a sentence for one that another build laid out.
  [[nodiscard]] static base::Result<std::unique_ptr<Area>> open(base::UniqueFd file);
  ~Area();
  Area(const Area&) = delete;
  Area& operator=(const Area&) = delete;

  /// An earlier worker served this mount.
  [[nodiscard]] bool is_inherited() const { return !init_.reply().empty(); }
  [[nodiscard]] InitExchange& init() { return init_; }
  [[nodiscard]] RequestSlots& slots() { return *slots_; }
  [[nodiscard]] Records& records() { return *records_; }

 private:
  Area(base::UniqueFd file, std::span<std::byte> memory);

  base::UniqueFd file_;
  std::span<std::byte> memory_;
  InitExchange init_;
  std::unique_ptr<RequestSlots> slots_;
  std::unique_ptr<Records> records_;
};

}  // namespace arenacache::handover
