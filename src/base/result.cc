// SPDX-License-Identifier: Apache-2.0
#include "arenacache/base/result.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "arenacache/base/log.h"
#include "arenacache/base/text.h"

namespace arenacache::base {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::origin:
      return "origin";
    case ErrorKind::timeout:
      return "timeout";
    case ErrorKind::store:
      return "store";
    case ErrorKind::corrupt:
      return "corrupt";
    case ErrorKind::no_space:
      return "no_space";
    case ErrorKind::stale:
      return "stale";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::invalid:
      return "invalid";
  }
  return "unknown";
}

Error errno_error(ErrorKind kind, int errno_value, std::string_view deed) {
  const char* cause = ::strerrordesc_np(errno_value);
  std::string what = cause != nullptr ? text(deed, ": ", cause) : text(deed, ": error ", errno_value);
  return {.kind = kind, .errno_value = errno_value, .what = std::move(what)};
}

void check_failed(const char* expression, const char* file, int line) {
  const std::string sentence = text("internal error: ", expression, " is false at ", file, ":", line);
  if (log_enabled(LogLevel::error)) {
    log_error(sentence);
  } else {
    std::fprintf(stderr, "%s\n", sentence.c_str());
  }
  std::abort();
}

}  // namespace arenacache::base
