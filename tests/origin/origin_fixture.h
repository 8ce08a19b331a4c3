// SPDX-License-Identifier: Apache-2.0
// What the tests of LocalOrigin share: a source in a temporary folder, and short forms for the errno of a Result.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "arenacache/base/unique_fd.h"
#include "arenacache/origin/local_origin.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::test {

/// The errno of a Result; 0 for a value.
template <class T>
int errno_of(const base::Result<T>& result) {
  if (result.has_value()) return 0;
  EXPECT_EQ(result.error().kind, base::ErrorKind::origin);
  return result.error().errno_value;
}

inline std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

inline std::string read_all(origin::OriginFile& file) {
  std::string content(must(file.stat()).st_size > 0 ? static_cast<std::size_t>(must(file.stat()).st_size) : 0, '\0');
  const std::size_t got = must(file.read_at(std::as_writable_bytes(std::span(content)), 0));
  content.resize(got);
  return content;
}

class LocalOriginTest : public testing::Test {
 protected:
  LocalOriginTest() {
    ::mkdir(source().c_str(), 0755);
    origin_ = open_source();
  }

  [[nodiscard]] std::string source() const { return dir_.path("source"); }
  [[nodiscard]] std::string source(std::string_view name) const { return source() + "/" + std::string(name); }
  std::string write(std::string_view name, std::string_view content) const {
    return dir_.write_file("source/" + std::string(name), content);
  }
  [[nodiscard]] std::string read(std::string_view name) const { return dir_.read_file("source/" + std::string(name)); }
  [[nodiscard]] std::shared_ptr<origin::LocalOrigin> open_source() const {
    base::UniqueFd fd(::open(source().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto facts = must(origin::ask_source(fd.get()));
    return std::make_shared<origin::LocalOrigin>(std::move(fd), facts, config::FidelityChoice::automatic);
  }
  static origin::Caller me() { return {.uid = ::geteuid(), .gid = ::getegid(), .groups = {}, .umask = 022}; }

  TempDir dir_;
  std::shared_ptr<origin::LocalOrigin> origin_;
};

}  // namespace arenacache::test
