// SPDX-License-Identifier: Apache-2.0
// The sources as the tidy tests see them. Threads: one. Never: follows what is not ours (build, .git).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace arenacache::tidy {

struct SourceFile {
  std::string path;  ///< below the repository: "src/daemon/keeper.cc"
  std::vector<std::string> lines;

  [[nodiscard]] bool is_header() const { return path.ends_with(".h"); }
  [[nodiscard]] bool is_in(std::string_view folder) const { return path.starts_with(std::string(folder) + "/"); }
  /// "daemon" for src/daemon/x.cc and include/arenacache/daemon/x.h; empty elsewhere.
  [[nodiscard]] std::string module() const;
  /// The last part of the path.
  [[nodiscard]] std::string name() const { return path.substr(path.rfind('/') + 1); }
  /// What stands between the quotes or angles of each #include, quotes and angles kept.
  [[nodiscard]] std::vector<std::string> includes() const;
};

/// Every .h and .cc below src, include, tests and fuzz, by path.
const std::vector<SourceFile>& all_sources();

/// The lines of any file of the repository; empty if it is not there.
std::vector<std::string> read_lines(const std::string& path_below_repository);

/// The line without comments and without what stands in string literals, so that prose breaks no rule about code.
/// Knows comments of one line only, the only ones that we write.
std::string code_of(std::string_view line);

}  // namespace arenacache::tidy
