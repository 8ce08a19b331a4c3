// SPDX-License-Identifier: Apache-2.0
#include "support/temp_dir.h"

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX, <cstdlib> need not have it

#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <string>
#include <string_view>
#include <system_error>

#include "arenacache/base/result.h"

namespace arenacache::test {

namespace {

std::string default_base() {
  const char* base = ::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe): nobody sets the environment
  return base != nullptr && *base != '\0' ? base : "/var/tmp";
}

}  // namespace

TempDir::TempDir() : TempDir(default_base()) {}

TempDir::TempDir(const std::string& base) : path_(base + "/arenacache-test-XXXXXX") {
  AC_CHECK(::mkdtemp(path_.data()) != nullptr);
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TempDir::make_dir(std::string_view name) const {
  const std::string made = path(name);
  std::error_code error;
  std::filesystem::create_directories(made, error);
  AC_CHECK(!error);
  return made;
}

std::string TempDir::write_file(std::string_view name, std::string_view content) const {
  const std::string made = path(name);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(made).parent_path(), error);
  std::ofstream out(made, std::ios::binary | std::ios::trunc);
  out.write(content.data(), static_cast<std::streamsize>(content.size()));
  out.close();
  AC_CHECK(!error && out.good());
  return made;
}

std::string TempDir::read_file(std::string_view name) const {
  std::ifstream in(path(name), std::ios::binary);
  AC_CHECK(in.is_open());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace arenacache::test
