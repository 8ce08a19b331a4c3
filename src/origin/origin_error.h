// SPDX-License-Identifier: Apache-2.0
// failed("rename", path): the error of a system call that was made for `path`, from errno.
#pragma once

#include <cerrno>
#include <expected>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::origin {

[[nodiscard]] inline std::unexpected<base::Error> failed(std::string_view deed, std::string_view path) {
  const int error = errno;
  return base::fail_errno(base::ErrorKind::origin, error, base::text("cannot ", deed, " '", path, "' of the source"));
}

}  // namespace arenacache::origin
