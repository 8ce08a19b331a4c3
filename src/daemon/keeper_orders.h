// SPDX-License-Identifier: Apache-2.0
// Orders: what the keeper tells a worker before it starts: how it comes to be, each mount, and what earlier workers left.
// Promises: a complete set holds what its messages announced. Threads: values. Locks: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/unique_fd.h"
#include "fd_channel.h"

namespace arenacache::daemon {

/// How a worker comes to be.
struct Birth {
  bool leaves_terminal = false;  ///< once it is ready
  bool after_crash = false;  ///< the one before did not end in good order
  bool gives_up = true;  ///< a request that was in flight at two crashes is answered with an error
  bool is_cautious = false;  ///< workers died again and again: it starts with the cache off
  bool is_alone =
      true;  ///< false: what an earlier one began to change may still come to pass, so changes wait for `alone`
};

struct MountOrder {
  std::string name;
  std::string mountpoint;
  std::string facts;  ///< of the source, as the plan has them
  base::UniqueFd fuse;
  base::UniqueFd source;
  base::UniqueFd area;  ///< handover::Area
  std::map<std::uint64_t, base::UniqueFd> kept;
};

struct Orders {
  Birth birth;
  base::UniqueFd configuration;  ///< what it is to go by, written down (keeper_text.h, config::write_resolved())
  base::UniqueFd lifeline;  ///< held until the worker is over (base::HeldApart): by that the keeper knows
  std::vector<MountOrder> mounts;
};

/// The same with descriptors that stay the keeper's.
struct MountOrderView {
  std::string name;
  std::string mountpoint;
  std::string facts;
  int fuse = -1;
  int source = -1;
  int area = -1;
  const std::map<std::uint64_t, base::UniqueFd>* kept = nullptr;
};

/// What goes along with the orders; both stay the caller's.
struct Beside {
  int configuration = -1;
  int lifeline = -1;
};
[[nodiscard]] base::Result<void> send_orders(const FdChannel& channel, const Birth& birth, const Beside& beside,
                                             const std::vector<MountOrderView>& mounts);
/// Blocks until they are complete.
[[nodiscard]] base::Result<Orders> receive_orders(const FdChannel& channel);

/// `keep` and `drop` messages.
struct KeepOrder {
  std::string mount;  ///< its name
  std::uint64_t handle = 0;
};
[[nodiscard]] std::vector<std::string> fields_of(const KeepOrder& order);
/// ErrorKind::invalid for a message of another shape.
[[nodiscard]] base::Result<KeepOrder> keep_order_in(const Message& message);

}  // namespace arenacache::daemon
