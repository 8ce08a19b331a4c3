// SPDX-License-Identifier: Apache-2.0
#include "arenacache/config/mount_lines.h"

#include <algorithm>
#include <array>

namespace arenacache::config {

namespace {

/// `text` as a TOML string.
std::string toml_quoted(std::string_view words) {
  std::string out = "\"";
  for (const char c : words) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

std::string folder_behind(std::string_view target) {
  constexpr std::array<std::string_view, 10> kEndings = {".safetensors", ".ckpt", ".pt",  ".pth",  ".bin",
                                                         ".gguf",        ".onnx", ".sft", ".json", ".yaml"};
  const bool is_file = std::ranges::any_of(kEndings, [&](std::string_view ending) { return target.ends_with(ending); });
  const std::size_t slash = target.rfind('/');
  if (!is_file || slash == std::string_view::npos || slash == 0) return std::string(target);
  return std::string(target.substr(0, slash));
}

std::vector<std::string> mount_lines(std::string_view folder) {
  return {"[[mount]]", "source = " + toml_quoted(folder), "mountpoint = " + toml_quoted(folder)};
}

}  // namespace arenacache::config
