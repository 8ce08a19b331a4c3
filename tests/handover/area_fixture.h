// SPDX-License-Identifier: Apache-2.0
// AreaTest: an area, and the same area as the next worker finds it. Threads: one.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "arenacache/handover/area.h"

namespace arenacache::handover {

class AreaTest : public ::testing::Test {
 protected:
  AreaTest() {
    auto file = Area::create();
    AC_CHECK(file.has_value());
    file_ = std::move(*file);
    area_ = map();
  }

  /// The first worker dies: what it wrote stays, what it knew goes.
  void next_worker() {
    area_.reset();
    area_ = map();
  }

  [[nodiscard]] std::unique_ptr<Area> map() const {
    auto area = Area::open(base::UniqueFd(::dup(file_.get())));
    AC_CHECK(area.has_value());
    return std::move(*area);
  }

  /// Puts a request into `slot` as read(2) would.
  static void receive(Slot& slot, std::uint64_t number, std::uint32_t opcode, std::size_t bytes = 64) {
    const struct {
      std::uint32_t length, opcode;
      std::uint64_t number;
    } head{static_cast<std::uint32_t>(bytes), opcode, number};
    std::memcpy(slot.room().data(), &head, sizeof head);
    slot.note_read(bytes);
  }

  static std::vector<std::byte> bytes_of(const char* text) {
    const auto bytes = std::as_bytes(std::span(text, std::strlen(text)));
    return {bytes.begin(), bytes.end()};
  }

  base::UniqueFd file_;
  std::unique_ptr<Area> area_;
};

}  // namespace arenacache::handover
