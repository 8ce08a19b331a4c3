// SPDX-License-Identifier: Apache-2.0
// TempDir: a fresh folder under $TMPDIR (else /var/tmp, which is a disk where /tmp is often memory), removed with all its
// content when the object ends, whether the test passed or failed. Throws nothing on removal; aborts when it cannot be made.
#pragma once

#include <string>
#include <string_view>

namespace arenacache::test {

class TempDir {
 public:
  TempDir();
  /// In `base` instead: on another file system.
  explicit TempDir(const std::string& base);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  /// The absolute path of `name` inside; makes nothing.
  [[nodiscard]] std::string path(std::string_view name) const { return path_ + "/" + std::string(name); }
  /// Makes the folder `name` and those above it; returns its absolute path.
  std::string make_dir(std::string_view name) const;
  /// Writes a file (and the folders above it); returns its absolute path.
  std::string write_file(std::string_view name, std::string_view content) const;
  /// The content of the file `name`; aborts when it cannot be read.
  [[nodiscard]] std::string read_file(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace arenacache::test
