// SPDX-License-Identifier: Apache-2.0
// NoIndex: the index of a store that cannot be used: it keeps nothing, and gives ids for as long as this life lasts.
// Promises: every call succeeds at once; after_durable() runs its job inside the call. Threads: any. Locks: none.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"

namespace arenacache::store {

class NoIndex final : public Index {
 public:
  void put(IndexRow /*row*/) override {}
  void remove(ObjectId /*id*/) override {}
  void put_pin(PinRow /*pin*/) override {}
  void remove_pin(PinRow /*pin*/) override {}
  void rename_path(const std::string& /*source*/, const std::string& /*from*/, const std::string& /*to*/) override {}
  void put_listing(ListingRow /*row*/) override {}
  void remove_listings(const std::string& /*source*/, const std::string& /*path*/, bool /*below*/) override {}
  void put_counter(const std::string& /*name*/, std::uint64_t /*value*/) override {}
  void after_durable(std::move_only_function<void()> job) override { job(); }
  base::Result<void> sync() override { return {}; }
  ObjectId next_id() override { return ObjectId{next_id_.fetch_add(1)}; }
  void pass_over(ObjectId /*id*/) override {}
  [[nodiscard]] std::uint64_t file_bytes() const override { return 0; }
  void note_leftovers() override {}
  base::Result<void> close() override { return {}; }

 private:
  std::atomic<std::uint64_t> next_id_{1};
};

}  // namespace arenacache::store
