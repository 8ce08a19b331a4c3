// SPDX-License-Identifier: Apache-2.0
#include "arenacache/origin/health.h"

#include <cerrno>

namespace arenacache::origin {

std::string_view to_string(Health health) {
  switch (health) {
    case Health::up:
      return "up";
    case Health::degraded:
      return "degraded";
    case Health::down:
      return "down";
  }
  return "up";
}

bool is_connection_error(const base::Error& error) {
  if (error.kind != base::ErrorKind::origin) return false;
  switch (error.errno_value) {
    case EIO:
    case ENOTCONN:
    case ESTALE:
    case ECONNRESET:
    case ECONNABORTED:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETUNREACH:
    case EREMOTEIO:
    case ENODEV:
      return true;
    default:
      return false;
  }
}

}  // namespace arenacache::origin
