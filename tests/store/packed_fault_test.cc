// SPDX-License-Identifier: Apache-2.0
// Packed tiers on a disk that fails at each call in turn, with and without losing what was not synced: what was promised before is
// there and right, what is there is never wrong, and no space is lost for good.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/packed_tier.h"
#include "packed_models.h"
#include "support/faulty_file_io.h"
#include "support/matchers.h"
#include "support/temp_dir.h"

namespace arenacache::store {
namespace {

using test::must;

constexpr std::size_t kLarge = 140'000;  ///< numbers of a tensor that has its chunk for itself

/// Under a sanitizer, which makes these slow, faults come at each seventh call.
constexpr std::size_t kStep = ARENACACHE_IS_SANITIZED ? 7 : 1;

enum class Fault { one_call, power_cut, untidy_power_cut };

class PackedFaults : public testing::TestWithParam<Fault> {
 protected:
  /// What one tier has said yes to.
  struct Promises {
    std::map<std::uint64_t, const PackedModel*> known;  ///< every object that was begun
    std::set<std::uint64_t> there;  ///< those that must be there
  };
  struct Place {
    std::string path;
    std::shared_ptr<PackedTier> tier;
    Promises promises;
  };

  PackedFaults() { io_.spare_the_disk(); }

  base::Result<void> pack(Place& place, const PackedModel& model, std::uint64_t id) {
    place.promises.known[id] = &model;
    AC_TRY(place.tier->pack(request_for(model, id)));
    place.promises.there.insert(id);
    return {};
  }
  base::Result<void> remove(Place& place, std::uint64_t id) {
    place.promises.there.erase(id);
    return place.tier->remove(ObjectId{id});
  }

  /// Packs a model and a fine-tune of it, removes the model, moves the fine-tune to the second tier, and packs the model again.
  base::Result<void> scenario(std::uint64_t base) {
    AC_TRY(pack(first_, model_, base + 1));
    AC_TRY(pack(first_, tuned_, base + 2));
    AC_TRY(remove(first_, base + 1));
    AC_TRY(first_.tier->rewrite_origin(ObjectId{base + 2}, request_for(tuned_, base + 9).origin));
    AC_ASSIGN(const auto object, first_.tier->open_object(ObjectId{base + 2}));
    AC_ASSIGN(const Bytes bytes, read_all(*object));
    EXPECT_TRUE(bytes == tuned_.bytes);
    second_.promises.known[base + 3] = &tuned_;
    AC_TRY(first_.tier->copy_object(ObjectId{base + 2}, *second_.tier, ObjectId{base + 3}, PackRequest{}));
    second_.promises.there.insert(base + 3);
    AC_TRY(first_.tier->check_chunk(*object, 1));
    AC_TRY(remove(first_, base + 2));
    AC_TRY(pack(first_, model_, base + 4));
    AC_TRY(first_.tier->collect_orphans());
    return {};
  }

  void open(Place& place) {
    PackedInventory inventory;
    place.tier = must(PackedTier::open(io_, place.path, inventory));
    for (const auto& entry : inventory.objects) EXPECT_TRUE(place.promises.known.contains(to_number(entry.id)));
  }

  /// Every object that can be opened has its bytes, and every promised one can.
  static void expect_right(Place& place) {
    for (const auto& [id, model] : place.promises.known) {
      const bool is_promised = place.promises.there.contains(id);
      const auto object = place.tier->open_object(ObjectId{id});
      if (!object && !is_promised) continue;
      ASSERT_TRUE(test::is_ok(object)) << "lost object " << id;
      const auto bytes = read_all(**object);
      ASSERT_TRUE(test::is_ok(bytes)) << "object " << id;
      EXPECT_TRUE(*bytes == model->bytes) << "object " << id << " has other bytes";
    }
    place.tier->check_invariants();
  }

  /// On a disk that is well again: orphans go, and what is counted is what is there.
  static void expect_tidy(Place& place) {
    must(place.tier->collect_orphans());
    place.tier->check_invariants();
    EXPECT_EQ(place.tier->used_bytes(), bytes_on_disk(place.path));
    EXPECT_EQ(must(place.tier->collect_orphans()), 0U) << "the first time took it all";
  }

  void expect_empty_after_removal(Place& place) {
    for (const auto& [id, model] : place.promises.known) must(place.tier->remove(ObjectId{id}));
    EXPECT_EQ(place.tier->used_bytes(), 0U);
    EXPECT_EQ(bytes_on_disk(place.path), 0U);
    place.promises = {};
  }

  test::TempDir dir_;
  test::FaultyFileIo io_;
  std::mt19937_64 random_{7};
  const PackedModel model_ = make_model({bf16_tensor("a", kLarge, 1), bf16_tensor("b", 50, 2)});
  const PackedModel tuned_ = make_model({tuned_tensor("a", kLarge, 1, 0.005), bf16_tensor("b", 50, 2)});
  Place first_{.path = dir_.path("first"), .tier = {}, .promises = {}};
  Place second_{.path = dir_.path("second"), .tier = {}, .promises = {}};
};

TEST_P(PackedFaults, at_any_call_break_no_promise) {
  for (std::size_t n = 1;; n += kStep) {
    SCOPED_TRACE(base::text("fault at call ", n));
    open(first_);
    open(second_);
    const std::size_t before = io_.count();
    if (GetParam() == Fault::one_call) {
      io_.fail_nth(n, n % 3 == 0 ? ENOSPC : n % 3 == 1 ? EIO : EMFILE);
    } else {
      io_.fail_from(n, EIO);
    }
    const auto outcome = scenario(n * 0x1000);
    const bool was_touched = io_.count() - before >= n;
    if (GetParam() == Fault::one_call) {
      io_.heal();
      for (Place* place : {&first_, &second_}) {
        expect_right(*place);
        expect_tidy(*place);
        expect_right(*place);
      }
    }
    for (Place* place : {&first_, &second_}) place->tier.reset();
    if (GetParam() == Fault::power_cut) io_.lose_unsynced();
    if (GetParam() == Fault::untidy_power_cut) io_.lose_some_unsynced(random_);
    io_.heal();
    for (Place* place : {&first_, &second_}) {
      open(*place);
      expect_right(*place);
      expect_tidy(*place);
      expect_right(*place);
      expect_empty_after_removal(*place);
      place->tier.reset();
    }
    if (!was_touched || HasFailure()) {
      EXPECT_TRUE(HasFailure() || test::is_ok(outcome));
      EXPECT_GT(n, 60U) << "the scenario asks the disk for more than that";
      break;
    }
  }
}

TEST_P(PackedFaults, at_any_call_of_opening_lose_nothing) {
  open(first_);
  must(pack(first_, model_, 1));
  must(pack(first_, tuned_, 2));
  must(remove(first_, 1));
  first_.tier.reset();
  for (std::size_t n = 1;; n += kStep) {
    SCOPED_TRACE(base::text("fault at call ", n));
    const std::size_t before = io_.count();
    // An unreadable manifest is deleted, so one that only seems so must not be told by EIO here.
    io_.fail_from(n, EMFILE);
    PackedInventory inventory;
    static_cast<void>(PackedTier::open(io_, first_.path, inventory));
    const bool was_touched = io_.count() - before >= n;
    if (GetParam() != Fault::one_call) io_.lose_unsynced();
    io_.heal();
    open(first_);
    expect_right(first_);
    expect_tidy(first_);
    first_.tier.reset();
    if (!was_touched || HasFailure()) break;
  }
}

TEST_P(PackedFaults, at_any_call_of_a_first_start_are_made_up_for) {
  for (std::size_t n = 1;; n += kStep) {
    SCOPED_TRACE(base::text("fault at call ", n));
    // The folder itself is there: layout_test.cc has the making of it.
    Place place{.path = dir_.make_dir(base::text("round", n)), .tier = {}, .promises = {}};
    const std::size_t before = io_.count();
    io_.fail_from(n, EIO);
    PackedInventory inventory;
    static_cast<void>(PackedTier::open(io_, place.path, inventory));
    const bool was_touched = io_.count() - before >= n;
    io_.heal();
    open(place);
    must(pack(place, model_, 1));
    place.tier.reset();
    if (GetParam() != Fault::one_call) io_.lose_unsynced();
    open(place);
    expect_right(place);
    if (!was_touched || HasFailure()) break;
  }
}

// A disk may keep some folders and lose others: here what was deleted in chunks/ stays so, and what was not synced elsewhere comes back.
TEST_P(PackedFaults, a_removed_object_does_not_come_back_without_its_chunks) {
  open(first_);
  must(pack(first_, model_, 1));
  must(remove(first_, 1));
  for (const std::string& folder : must(io_.list(first_.path + "/chunks"))) {
    must(io_.sync_directory(first_.path + "/chunks/" + folder));
  }
  first_.tier.reset();
  io_.lose_unsynced();
  open(first_);
  expect_right(first_);
}

INSTANTIATE_TEST_SUITE_P(Faults, PackedFaults,
                         testing::Values(Fault::one_call, Fault::power_cut, Fault::untidy_power_cut),
                         [](const testing::TestParamInfo<Fault>& fault) {
                           switch (fault.param) {
                             case Fault::one_call:
                               return "one_call";
                             case Fault::power_cut:
                               return "power_cut";
                             case Fault::untidy_power_cut:
                               break;
                           }
                           return "untidy_power_cut";
                         });

}  // namespace
}  // namespace arenacache::store
