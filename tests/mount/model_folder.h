// SPDX-License-Identifier: Apache-2.0
// ModelTest: a mount over a source with models of known content, and the questions cache tests ask of it.
// Threads: one owner. Never: reads the source for a model it made.
#pragma once

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "mount/loads.h"
#include "mount/patterns.h"
#include "mount/test_mount.h"

namespace arenacache::test {

inline constexpr std::uint64_t kModelSize = 24 * kMiB + 12'345;

class ModelTest : public MountTest {
 protected:
  /// Makes `name` in the source, behind the mount's back; returns it as programs see it.
  static Model add_model(const TestMount& mount, const std::string& name, std::uint64_t size = kModelSize,
                         Pattern pattern = Pattern{1}) {
    make_pattern_file(mount.from(name), size, pattern);
    return {.path = mount.at(name), .size = size, .pattern = pattern};
  }

  /// Reads `name` whole and waits until it is resident. Pages the kernel has of it are dropped first: a read that they
  /// answer is no load that a daemon could see.
  static void make_resident(const TestMount& mount, const std::string& name, const Model& model) {
    drop_pages(model.path);
    ASSERT_TRUE(load_in_order(model));
    mount.wait_resident(name);
  }

  /// Bytes read from the origin while `deed` ran.
  template <class Deed>
  static std::uint64_t origin_bytes_of(const TestMount& mount, const Deed& deed) {
    const std::uint64_t before = mount.stats().origin_read_bytes;
    deed();
    mount.wait_idle();
    return mount.stats().origin_read_bytes - before;
  }
};

}  // namespace arenacache::test
