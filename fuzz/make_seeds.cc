// SPDX-License-Identifier: Apache-2.0
// make_seeds FOLDER: writes good inputs, from which the fuzzers start, one folder in FOLDER for each fuzzer.
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "area_input.h"
#include "arenacache/handover/area.h"
#include "arenacache/store/sidecar.h"
#include "codec_seeds.h"
#include "format.h"
#include "fuzz_input.h"
#include "model/archive_files.h"
#include "model/model_files.h"
#include "packed_seeds.h"
#include "request_seeds.h"

namespace {

using arenacache::test::GgufHead;
using arenacache::test::ModelFile;

bool write_seed(const std::filesystem::path& path, std::string_view input) {
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  std::ofstream out(path, std::ios::binary);
  out << input;
  out.close();
  if (!out) std::fprintf(stderr, "make_seeds: cannot write %s\n", path.c_str());
  return !out.fail();
}

bool write_seed(const std::filesystem::path& path, const ModelFile& file) {
  return write_seed(path, arenacache::fuzz::to_input(file));
}

/// Of an object of `size` bytes, of which every block is there whose bit in `present` is set.
std::string sidecar(std::uint64_t size, std::uint64_t present) {
  namespace store = arenacache::store;
  store::Sidecar made{.id = store::ObjectId{7},
                      .origin = {.source = "models", .path = "loras/style.safetensors", .inode = 11, .size = size},
                      .blocks = store::BlockMap(size)};
  for (store::BlockIndex block = 0; block < made.blocks.size_blocks(); ++block) {
    if (((present >> block) & 1U) != 0) made.blocks.set_present(block, 0xABCD + block, true);
  }
  made.resident = made.blocks.is_complete();
  std::string bytes;
  for (const std::byte byte : store::encode_sidecar(made)) bytes.push_back(static_cast<char>(byte));
  return bytes;
}

bool write_model_seeds(const std::filesystem::path& folder) {
  namespace test = arenacache::test;
  return write_seed(folder / "safetensors/sample", test::sample_safetensors()) &&
         write_seed(folder / "safetensors/empty", test::safetensors_file("{}", 0)) &&
         write_seed(folder / "safetensors/many", test::many_safetensors(8)) &&
         write_seed(folder / "gguf/sample", test::sample_gguf()) &&
         write_seed(folder / "gguf/empty", GgufHead(0, 0).file(0)) &&
         write_seed(folder / "gguf/version2", GgufHead(1, 0, 2).tensor("t", {8}, 0, 0).file(32)) &&
         write_seed(folder / "gguf/many", test::many_gguf(8, 20));
}

bool write_file_seeds(const std::filesystem::path& folder) {
  namespace test = arenacache::test;
  const std::string numbers = test::float_bytes(test::FloatKind::f16, 9000, 1);
  const std::vector<test::ArchiveEntry> entries = {{.name = "a/data/0", .bytes = numbers},
                                                   {.name = "a/data/1", .bytes = numbers}};
  return write_seed(folder / "file_tensors/zip", test::zip_archive(entries)) &&
         write_seed(folder / "file_tensors/zip64", test::zip_archive(entries, test::ZipNumbers::zip64)) &&
         write_seed(folder / "file_tensors/onnx",
                    test::onnx_model({{.name = "w", .data_type = 10, .bytes = "12345678"},
                                      {.name = "v", .data_type = 1, .bytes = "12345678"}}));
}

template <class T>
std::string bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

/// A worker that served a folder and a file of two names, which is open.
void use(arenacache::handover::Records& records) {
  namespace handover = arenacache::handover;
  records.add(handover::NodeRecord{.node = 2,
                                   .lookups = 1,
                                   .attributes = {.device = 7, .inode = 10, .mode = S_IFDIR | 0755, .link_count = 2},
                                   .has_attributes = true,
                                   .is_indexed = true});
  records.add(handover::LinkRecord{.node = 2, .parent = 1, .name = "folder"});
  records.add(handover::NodeRecord{
      .node = 3,
      .lookups = 3,
      .attributes = {.device = 7, .inode = 11, .size = 100, .modify_ns = 5, .mode = S_IFREG | 0644, .link_count = 2},
      .has_attributes = true,
      .is_indexed = true,
      .pages = handover::KernelPages::current});
  records.add(handover::LinkRecord{.node = 3, .parent = 2, .name = "model.safetensors"});
  records.add(handover::LinkRecord{.node = 3, .parent = 1, .name = std::string(255, 'n')});
  records.add(
      handover::HandleRecord{.handle = 1, .node = 3, .opened_by = 4, .size = 100, .backing_key = 2, .backing_id = 1});
  records.add(handover::HandleRecord{.handle = 2, .node = 3, .kind = handover::HandleKind::writing});
  records.add(handover::HandleRecord{.handle = 1, .node = 2, .kind = handover::HandleKind::folder});
}

/// The records of such a worker.
std::string left_records() {
  namespace handover = arenacache::handover;
  auto file = handover::Area::create();
  AC_CHECK(file.has_value());
  const arenacache::base::UniqueFd other(::dup(file->get()));
  auto area = handover::Area::open(std::move(*file));
  AC_CHECK(area.has_value());
  use((*area)->records());
  std::string out;
  const std::size_t end = handover::kFirstCell + (*area)->records().used_bytes() / handover::kCellBytes;
  for (auto cell = static_cast<std::uint16_t>(handover::kFirstCell); cell < end; ++cell) {
    std::string bytes(handover::kCellBytes, '\0');
    AC_CHECK(::pread(other.get(), bytes.data(), bytes.size(),
                     static_cast<off_t>(handover::kCellsAt + cell * handover::kCellBytes)) > 0);
    out += arenacache::fuzz::area_write(arenacache::fuzz::AreaPart::cell, cell, bytes);
  }
  return out;
}

/// One request that is not answered, and one that is.
std::string left_requests() {
  using arenacache::fuzz::area_write;
  using arenacache::fuzz::AreaPart;
  namespace handover = arenacache::handover;
  std::string out;
  for (const std::uint16_t slot : {std::uint16_t{0}, std::uint16_t{5}}) {
    const auto state = slot == 0 ? handover::SlotState::open : handover::SlotState::answered;
    const handover::RequestHead head{.length = 64, .opcode = 1, .number = slot + 2U};
    out += area_write(AreaPart::slot_state, slot, bytes_of(state));
    out += area_write(AreaPart::room, slot, bytes_of(head));
    out += area_write(AreaPart::slot, slot, bytes_of(std::to_array<std::uint32_t>({1, 8, 16})));
  }
  return out;
}

/// The first worker's INIT, and three numbers that were given.
std::string left_head() {
  using arenacache::fuzz::area_write;
  using arenacache::fuzz::AreaPart;
  const auto next = std::to_array<std::uint64_t>({9, 8, 7});
  return area_write(AreaPart::header, offsetof(arenacache::handover::Header, next_node), bytes_of(next)) +
         area_write(AreaPart::init, 0, bytes_of(std::to_array<std::uint32_t>({56, 80})));
}

bool write_handover_seeds(const std::filesystem::path& folder) {
  return write_seed(folder / "handover/head", left_head()) &&
         write_seed(folder / "handover/requests", left_requests()) &&
         write_seed(folder / "handover/records", left_records()) &&
         write_seed(folder / "handover/all", left_head() + left_requests() + left_records());
}

bool write_codec_seeds(const std::filesystem::path& folder) {
  bool is_done = true;
  for (const auto& seed : arenacache::fuzz::codec_seeds()) {
    is_done = is_done && write_seed(folder / "codec" / seed.name, seed.input);
  }
  return is_done;
}

bool write_store_seeds(const std::filesystem::path& folder) {
  using arenacache::store::kBlockBytes;
  for (const auto& [name, input] : arenacache::fuzz::packed_seeds()) {
    if (!write_seed(folder / "manifest" / name, input)) return false;
  }
  return write_seed(folder / "sidecar/empty", sidecar(0, 0)) &&
         write_seed(folder / "sidecar/partial", sidecar(9 * kBlockBytes + 5, 0b1010000101)) &&
         write_seed(folder / "sidecar/resident", sidecar(3 * kBlockBytes, 0b111));
}

bool write_request_seeds(const std::filesystem::path& folder) {
  bool is_done = true;
  for (const auto& [name, input] : arenacache::fuzz::request_seeds()) {
    is_done = is_done && write_seed(folder / "fuse_requests" / name, input);
  }
  return is_done;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: make_seeds FOLDER\n", stderr);
    return 2;
  }
  const bool is_done = write_model_seeds(argv[1]) && write_store_seeds(argv[1]) && write_handover_seeds(argv[1]) &&
                       write_request_seeds(argv[1]) && write_codec_seeds(argv[1]) && write_file_seeds(argv[1]);
  return is_done ? 0 : 1;
}
