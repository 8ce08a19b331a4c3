// SPDX-License-Identifier: Apache-2.0
// Good heads, damaged at random: whatever comes of it, the reading holds what it promises. A failure names its seed.
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "arenacache/model/header.h"
#include "model_files.h"
#include "reading_check.h"

namespace arenacache::model {
namespace {

using test::ModelFile;

constexpr std::uint32_t kMutations = 10'000;  ///< of each format
constexpr std::size_t kMaxDamages = 4;

class Damage {
 public:
  explicit Damage(std::uint32_t seed) : random_(seed) {}

  ModelFile apply(ModelFile file) {
    for (std::size_t left = 1 + below(kMaxDamages); left > 0; --left) damage(file.head);
    if (below(4) == 0) file.size = file.head.size() + below(2000);
    return file;
  }

 private:
  std::size_t below(std::size_t bound) { return random_() % bound; }

  void damage(std::string& head) {
    // Numbers at the edges of what fits, and pieces that mean something in JSON.
    using std::string_view_literals::operator""sv;
    static constexpr std::array kPieces = {"\xff\xff\xff\xff\xff\xff\xff\xff"sv,
                                           "\0\0\0\0\0\0\0\x80"sv,
                                           "\0\0\0\0"sv,
                                           "\1\0\0\0\0\0\0\0"sv,
                                           "\x09\0\0\0"sv,
                                           "{"sv,
                                           "]"sv,
                                           "\""sv,
                                           ",\"t\":"sv,
                                           "18446744073709551615"sv,
                                           "-1"sv,
                                           "\\u0000"sv,
                                           "data_offsets"sv};
    if (head.empty()) return;
    const std::size_t at = below(head.size());
    const std::string_view piece = kPieces[below(kPieces.size())];
    switch (below(6)) {
      case 0:
        head[at] = static_cast<char>(random_() & 0xFFU);
        break;
      case 1:
        head[at] = static_cast<char>(static_cast<unsigned char>(head[at]) ^ (1U << below(8)));
        break;
      case 2:
        head.insert(at, piece);
        break;
      case 3:
        head.replace(at, piece.size(), piece);
        break;
      case 4:
        head.erase(at, 1 + below(16));
        break;
      default:
        head.insert(below(head.size()), head.substr(at, 1 + below(64)));
        break;
    }
  }

  std::mt19937 random_;
};

/// Damages `file` again and again, and reads what comes out. A length in front is mended half of the time, so that more than the
/// first check is tried.
void expect_sound(const ModelFile& file, bool has_length) {
  for (std::uint32_t seed = 0; seed < kMutations; ++seed) {
    ModelFile damaged = Damage(seed).apply(file);
    if (has_length && seed % 2 == 0 && damaged.head.size() > sizeof(std::uint64_t)) {
      const std::string json = damaged.head.substr(sizeof(std::uint64_t));
      damaged.head = test::safetensors_file(json, 0).head;
    }
    const auto bytes = test::bytes_of(damaged.head);
    const auto reading = read_header(bytes, damaged.size);
    ASSERT_EQ(test::complaint_about(reading, bytes, damaged.size), "") << "seed " << seed;
  }
}

TEST(Mutation, ADamagedSafetensorsHeaderIsHarmless) { expect_sound(test::sample_safetensors(), true); }

TEST(Mutation, ADamagedGgufHeaderIsHarmless) { expect_sound(test::sample_gguf(), false); }

}  // namespace
}  // namespace arenacache::model
