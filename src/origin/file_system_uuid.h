// SPDX-License-Identifier: Apache-2.0
// file_system_uuid: the UUID that a file system on a block device was made with: the same after a remount and a reboot.
#pragma once

#include <sys/types.h>

#include <string>

namespace arenacache::origin {

/// Lower-case hexadecimal digits without dashes, or "" where neither the kernel nor udev tells. `fd` may be O_PATH.
[[nodiscard]] std::string file_system_uuid(int fd, dev_t device);

}  // namespace arenacache::origin
