// SPDX-License-Identifier: Apache-2.0
#include "environment.h"

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"

namespace arenacache::config {

base::Result<std::string> expand_environment(std::string_view words) {
  std::string out;
  for (;;) {
    const std::size_t begin = words.find("${");
    out += words.substr(0, begin);
    if (begin == std::string_view::npos) return out;
    words.remove_prefix(begin + 2);
    const std::size_t end = words.find('}');
    if (end == std::string_view::npos)
      return base::fail(base::ErrorKind::invalid, 0, "\"${\" without a \"}\" after it");
    const std::string name(words.substr(0, end));
    const char* value =
        name.empty() ? nullptr : std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): see header
    if (value == nullptr) {
      return base::fail(base::ErrorKind::invalid, 0, base::text("the environment variable ", name, " is not set"));
    }
    out += value;
    words.remove_prefix(end + 1);
  }
}

}  // namespace arenacache::config
