// SPDX-License-Identifier: Apache-2.0
#include "toml_file.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cstdint>
#include <exception>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "arenacache/base/result.h"
#include "arenacache/base/text.h"
#include "arenacache/config/options.h"
#include "environment.h"
#include "nearest.h"
#include "setting.h"

namespace arenacache::config {

namespace {

using base::Result;
using base::text;

struct Problem {
  std::uint32_t line;
  std::string what;
};

struct LinedSetting {
  std::uint32_t line;
  Setting setting;
};

bool is_table_name(std::string_view name) { return std::ranges::find(option_tables(), name) != option_tables().end(); }

/// Walks the parsed tables. toml++ keeps keys sorted by name, so order in the file comes back from the line numbers.
class Reader {
 public:
  explicit Reader(const std::string& file) : file_(file) {}

  Result<Document> read(const toml::table& root) {
    Document document;
    std::vector<LinedSetting> settings;
    for (const auto& [key, node] : root) {
      if (key.str() == "mount") {
        read_mounts(key, node, document);
      } else if (key.str() == "tier") {
        read_tiers(key, node, document);
      } else {
        read_top(key, node, settings);
      }
    }
    if (!problems_.empty()) {
      const Problem& first = *std::ranges::min_element(problems_, {}, &Problem::line);
      return refuse(place(first.line), first.what);
    }
    document.settings = in_order(std::move(settings));
    return document;
  }

 private:
  [[nodiscard]] std::string place(std::uint32_t line) const { return text(file_, ":", line); }

  void add_problem(const toml::key& key, std::string what) {
    problems_.push_back({.line = key.source().begin.line, .what = std::move(what)});
  }

  static std::vector<Setting> in_order(std::vector<LinedSetting> lined) {
    std::ranges::stable_sort(lined, {}, &LinedSetting::line);
    std::vector<Setting> settings;
    settings.reserve(lined.size());
    for (LinedSetting& one : lined) settings.push_back(std::move(one.setting));
    return settings;
  }

  void read_top(const toml::key& key, const toml::node& node, std::vector<LinedSetting>& settings) {
    const std::string name(key.str());
    if (const toml::table* table = node.as_table(); table != nullptr && is_table_name(name)) {
      for (const auto& [inner, value] : *table) read_option(name, inner, value, settings);
    } else if (is_table_name(name)) {
      add_problem(key, text(name, " is a table: write [", name, "]"));
    } else if (table != nullptr) {
      const std::vector<std::string> known(option_tables().begin(), option_tables().end());
      const std::string nearest = nearest_word(name, known);
      add_problem(key, text("[", name, "] is not a table of options",
                            suggestion(nearest.empty() ? nearest : text("[", nearest, "]"))));
    } else {
      add_problem(key, text(name, " is not an option", suggestion(nearest_key("", name))));
    }
  }

  /// The tables of a [[table]]; null: it is written otherwise, which is a problem.
  const toml::array* tables_of(const toml::key& key, const toml::node& node) {
    const toml::array* array = node.as_array();
    if (array != nullptr && array->is_homogeneous<toml::table>()) return array;
    add_problem(key, text(key.str(), "s are a list of tables: write [[", key.str(), "]], with two brackets"));
    return nullptr;
  }

  void read_tiers(const toml::key& key, const toml::node& node, Document& document) {
    const toml::array* array = tables_of(key, node);
    if (array == nullptr) return;
    for (const toml::node& element : *array) {
      std::vector<LinedSetting> settings;
      for (const auto& [inner, value] : *element.as_table()) read_option("tier", inner, value, settings);
      document.tiers.push_back(
          {.place = place(element.source().begin.line), .settings = in_order(std::move(settings))});
    }
  }

  void read_mounts(const toml::key& key, const toml::node& node, Document& document) {
    const toml::array* array = tables_of(key, node);
    if (array == nullptr) return;
    for (const toml::node& element : *array) {
      std::vector<LinedSetting> settings;
      for (const auto& [inner, value] : *element.as_table()) read_in_mount(inner, value, settings);
      document.mounts.push_back(
          {.place = place(element.source().begin.line), .settings = in_order(std::move(settings))});
    }
  }

  void read_in_mount(const toml::key& key, const toml::node& node, std::vector<LinedSetting>& settings) {
    const std::string name(key.str());
    const toml::table* table = node.as_table();
    if (table == nullptr) return read_option("mount", key, node, settings);
    if (!is_table_name(name)) {
      add_problem(key, text("[mount.", name, "] is not a table of options"));
      return;
    }
    for (const auto& [inner, value] : *table) {
      const Option* option = find_option(name, inner.str());
      if (option != nullptr && !option->is_per_mount) {
        add_problem(inner, text(key_of(*option), " cannot be set for one mount: it belongs in [", name, "]"));
      } else {
        read_option(name, inner, value, settings);
      }
    }
  }

  void read_option(const std::string& table, const toml::key& key, const toml::node& node,
                   std::vector<LinedSetting>& settings) {
    const std::string name(key.str());
    const Option* option = find_option(table, name);
    if (option == nullptr) {
      add_problem(key, text(table, ".", name, " is not an option", suggestion(nearest_key(table, name))));
      return;
    }
    auto value = read_value(node);
    if (!value) {
      add_problem(key, text(table, ".", name, ": ", value.error().what));
      return;
    }
    const std::uint32_t line = key.source().begin.line;
    settings.push_back({.line = line, .setting = {.option = option, .value = std::move(*value), .place = place(line)}});
  }

  static Result<OptionValue> read_value(const toml::node& node) {
    if (const auto* words = node.as_string()) return read_words(words->get());
    if (const auto* number = node.as_integer()) return OptionValue{.written = number->get()};
    if (const auto* number = node.as_floating_point()) return OptionValue{.written = number->get()};
    if (const auto* toggle = node.as_boolean()) return OptionValue{.written = toggle->get()};
    if (const auto* array = node.as_array()) return read_list(*array);
    return base::fail(base::ErrorKind::invalid, 0,
                      node.is_table() ? "it must not be a table" : "it must not be a date");
  }

  static Result<OptionValue> read_words(const std::string& words) {
    AC_ASSIGN(std::string expanded, expand_environment(words));
    return OptionValue{.written = std::move(expanded), .is_text = words.find("${") != std::string::npos};
  }

  static Result<OptionValue> read_list(const toml::array& array) {
    std::vector<std::string> list;
    for (const toml::node& element : array) {
      const auto* words = element.as_string();
      if (words == nullptr) return base::fail(base::ErrorKind::invalid, 0, "every item of the list must be a string");
      AC_ASSIGN(std::string expanded, expand_environment(words->get()));
      list.push_back(std::move(expanded));
    }
    return OptionValue{.written = std::move(list)};
  }

  const std::string& file_;
  std::vector<Problem> problems_;
};

}  // namespace

Result<Document> read_document(std::string_view toml, const std::string& file) {
  try {
    const toml::table root = toml::parse(toml, std::string_view(file));
    return Reader(file).read(root);
  } catch (const toml::parse_error& error) {
    return refuse(text(file, ":", error.source().begin.line), text("this is not TOML: ", error.description()));
  } catch (const std::exception& error) {
    return refuse(file, text("cannot be read as TOML: ", error.what()));
  }
}

}  // namespace arenacache::config
