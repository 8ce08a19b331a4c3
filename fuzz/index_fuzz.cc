// SPDX-License-Identifier: Apache-2.0
// libFuzzer: any rows in the tables of an index file. What loads must load again after changes, as the engine makes them.
// An input is rows: a byte that says which table, and its columns: a number is a byte, or 0xFF and eight; text a byte and as many.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "arenacache/base/result.h"
#include "arenacache/store/ids.h"
#include "arenacache/store/index.h"
#include "index_schema.h"
#include "index_tables.h"
#include "sqlite_db.h"
#include "support/temp_dir.h"

namespace {

using namespace arenacache;
using namespace arenacache::store;

/// Takes columns off an input; zeros at its end.
class Input {
 public:
  explicit Input(std::string_view bytes) : rest_(bytes) {}
  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  std::uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return value;
  }
  std::int64_t number() {
    constexpr std::uint8_t kLong = 0xFF;
    const std::uint8_t first = byte();
    if (first != kLong) return first;
    std::uint64_t value = 0;
    for (unsigned i = 0; i < sizeof value; ++i) value |= std::uint64_t{byte()} << (8 * i);
    return static_cast<std::int64_t>(value);
  }
  std::string_view text() {
    const std::size_t length = byte();
    const std::string_view value = rest_.substr(0, length);
    rest_.remove_prefix(value.size());
    return value;
  }

 private:
  std::string_view rest_;
};

/// One index for all inputs: each one's rows are taken back.
class IndexUnderTest {
 public:
  IndexUnderTest() : file_(must(open_index_file(folder_.path("index.db")))) {
    put_path_ = must(file_.database.prepare("INSERT OR IGNORE INTO paths(id, parent, name) VALUES(?1, ?2, ?3)"));
    put_object_ =
        must(file_.database.prepare("INSERT OR IGNORE INTO objects VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
                                    " ?11, ?12, '', 0)"));
    pack_object_ =
        must(file_.database.prepare("UPDATE objects SET packed_tier = CAST(?1 AS TEXT), packed_id = ?2 WHERE id = ?3"));
    spoil_object_ = must(file_.database.prepare("UPDATE objects SET path = ?1, size = ?2, flags = ?2 WHERE id = ?3"));
    put_pin_ = must(file_.database.prepare("INSERT OR IGNORE INTO pins(path) VALUES(?1)"));
    put_listing_ =
        must(file_.database.prepare("INSERT OR IGNORE INTO listings(source, path, validated_ns, bytes)"
                                    " VALUES(?1, ?2, ?3, ?4)"));
    put_counter_ = must(file_.database.prepare("INSERT OR IGNORE INTO counters(name, value) VALUES(?1, ?2)"));
  }

  void check(Input input) {
    must(file_.database.execute("BEGIN"));
    while (!input.is_empty()) put(input);
    if (auto contents = load()) {
      change(*contents);
      AC_CHECK(load().has_value());
    }
    must(file_.database.execute("ROLLBACK"));
  }

 private:
  template <class T>
  static T must(base::Result<T> result) {
    AC_CHECK(result.has_value());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }

  void put(Input& input) {
    switch (input.byte() % 7) {
      case 0: {
        const std::int64_t id = input.number();
        const std::int64_t parent = input.number();
        put_path_.start(id, parent, input.text());
        return must(put_path_.run());
      }
      case 1: {
        std::array<std::int64_t, 12> columns{};
        for (std::int64_t& column : columns) column = input.number();
        std::apply([&](auto... column) { put_object_.start(column...); }, columns);
        return must(put_object_.run());
      }
      case 2: {
        const std::int64_t id = input.number();
        const std::string_view path = input.text();
        spoil_object_.start(path, input.text(), id);
        return must(spoil_object_.run());
      }
      case 3:
        put_pin_.start(input.number());
        return must(put_pin_.run());
      case 4: {
        const std::string_view source = input.text();
        const std::string_view path = input.text();
        const std::int64_t validated = input.number();
        put_listing_.start(source, path, validated, input.text());
        return must(put_listing_.run());
      }
      case 5: {
        const std::string_view name = input.text();
        put_counter_.start(name, input.number());
        return must(put_counter_.run());
      }
      default: {
        const std::int64_t id = input.number();
        const std::int64_t packed_id = input.number();
        pack_object_.start(input.text(), packed_id, id);
        return must(pack_object_.run());
      }
    }
  }

  base::Result<IndexContents> load() {
    auto contents = load_index(file_.database);
    if (!contents) {
      AC_CHECK(contents.error().kind == base::ErrorKind::corrupt);
      return contents;
    }
    AC_CHECK(std::ranges::is_sorted(contents->pins));
    for (const IndexRow& row : contents->rows) {
      AC_CHECK(to_number(row.id) <= kMaxObjectNumber);
      AC_CHECK(row.read_percent <= 100);
      AC_CHECK(row.has_packed() == (to_number(row.packed_id) != 0));
    }
    return contents;
  }

  /// Renames, forgets and pins what was found.
  void change(const IndexContents& contents) {
    for (IndexRow row : contents.rows) {
      const std::string path = row.origin.path;
      must(file_.tables.rename_path(row.origin.source, path, "moved/" + std::to_string(row.uses % 3)));
      must(file_.tables.put_pin({.source = row.origin.source, .path = path}));
      row.origin.path = "put/" + path;
      must(row.uses % 2 == 0 ? file_.tables.put_row(row) : file_.tables.remove_row(row.id));
    }
    for (const PinRow& pin : contents.pins) must(file_.tables.remove_pin(pin));
    for (const ListingRow& listing : contents.listings) {
      must(file_.tables.remove_listings(listing.source, listing.path, true));
      must(file_.tables.put_listing(listing));
    }
  }

  test::TempDir folder_;
  IndexFile file_;
  Statement put_path_, put_object_, pack_object_, spoil_object_, put_pin_, put_listing_, put_counter_;
};

}  // namespace

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it so
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static IndexUnderTest index;
  index.check(Input({reinterpret_cast<const char*>(data), size}));
  return 0;
}
