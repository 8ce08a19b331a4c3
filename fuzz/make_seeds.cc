// SPDX-License-Identifier: Apache-2.0
// make_seeds FOLDER: writes good headers, from which the fuzzers start, into FOLDER/safetensors and FOLDER/gguf.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

#include "fuzz_input.h"
#include "model/model_files.h"

namespace {

using arenacache::test::GgufHead;
using arenacache::test::ModelFile;

bool write_seed(const std::filesystem::path& path, const ModelFile& file) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << arenacache::fuzz::to_input(file);
  out.close();
  if (!out) std::fprintf(stderr, "make_seeds: cannot write %s\n", path.c_str());
  return !out.fail();
}

bool write_seeds(const std::filesystem::path& folder) {
  namespace test = arenacache::test;
  return write_seed(folder / "safetensors/sample", test::sample_safetensors()) &&
         write_seed(folder / "safetensors/empty", test::safetensors_file("{}", 0)) &&
         write_seed(folder / "safetensors/many", test::many_safetensors(8)) &&
         write_seed(folder / "gguf/sample", test::sample_gguf()) &&
         write_seed(folder / "gguf/empty", GgufHead(0, 0).file(0)) &&
         write_seed(folder / "gguf/version2", GgufHead(1, 0, 2).tensor("t", {8}, 0, 0).file(32)) &&
         write_seed(folder / "gguf/many", test::many_gguf(8, 20));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_seeds FOLDER\n", stderr);
    return 2;
  }
  return write_seeds(argv[1]) ? 0 : 1;
}
