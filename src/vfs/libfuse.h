// SPDX-License-Identifier: Apache-2.0
// libfuse3's low-level interface, at the version we write for. Nothing outside src/vfs includes it.
// 3.14 on Debian 12, 3.17 on Debian 13.
#pragma once

#define FUSE_USE_VERSION 314
#include <fuse_lowlevel.h>
