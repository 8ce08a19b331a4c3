// SPDX-License-Identifier: Apache-2.0
// FUSE passthrough: the kernel reads an open file from another one (Linux 6.9). What libfuse does for it since 3.17 is in
// fuse_passthrough_native.cc; for older ones the same messages are changed on their way to and from the kernel, whose protocol is
// a stable ABI, in fuse_passthrough_patched.cc. CMake compiles one of the two.
// Threads: the FUSE threads; Asked is one session's. Locks: none.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/vfs/backing_ids.h"
#include "libfuse.h"

namespace arenacache::vfs {

/// What one session asks of the kernel in its INIT, and what became of it.
struct PassthroughAsked {
  unsigned stack_depth = 0;  ///< 0: not asked for; 2 where the store's file system is itself stacked, else 1
  std::uint64_t init_request = 0;  ///< the number of the INIT request, to know its reply by
  bool is_offered = false;  ///< the kernel has it
};

/// How deep the file system of `descriptor` makes the stack that a backing file on it is part of.
[[nodiscard]] unsigned stack_depth_over(int descriptor);

/// What an INIT reply (header and body) that the kernel accepted says of that.
[[nodiscard]] unsigned stack_depth_in(std::span<const std::byte> init_reply);

/// The ioctls on a FUSE descriptor, which must stay open for as long as they are called.
[[nodiscard]] std::shared_ptr<BackingDevice> make_backing_device(int fuse_descriptor);

// What differs between the two.
/// In the INIT handler: asks for passthrough if the kernel offers it.
void ask_for_passthrough(PassthroughAsked& asked, fuse_conn_info& connection);
/// Answers an open (with an `entry`: a create) whose reads the kernel takes from the file it knows by `backing_id`.
int reply_backed_open(fuse_req_t request, const fuse_entry_param* entry, fuse_file_info info, std::int32_t backing_id);
/// Sees every request that was read, and every reply before it is written.
void see_request(PassthroughAsked& asked, std::span<const std::byte> request);
void see_reply(const PassthroughAsked& asked, std::span<const iovec> parts);

}  // namespace arenacache::vfs
