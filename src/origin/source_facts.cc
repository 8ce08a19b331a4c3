// SPDX-License-Identifier: Apache-2.0
#include "arenacache/origin/source_facts.h"

#include <array>
#include <cerrno>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <system_error>

#include "arenacache/base/text.h"

namespace arenacache::origin {
namespace {

std::unexpected<base::Error> unreadable() {
  return base::fail(base::ErrorKind::invalid, EPROTO,
                    "what another build noted of the source cannot be read: stop the daemon and start it again");
}

/// Takes the number before the next space off `text`; false: there is none.
template <std::integral Number>
bool take(std::string_view& text, Number& number) {
  const std::size_t space = text.find(' ');
  if (space == std::string_view::npos) return false;
  const std::string_view digits = text.substr(0, space);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return false;
  text.remove_prefix(space + 1);
  return true;
}

}  // namespace

std::string to_text(const SourceFacts& facts) {
  return base::text(facts.magic, ' ', facts.id, ' ', facts.device, ' ', facts.type);
}

base::Result<SourceFacts> parse_source_facts(std::string_view text) {
  SourceFacts facts;
  if (!take(text, facts.magic) || !take(text, facts.id) || !take(text, facts.device)) return unreadable();
  facts.type = text;
  return facts;
}

}  // namespace arenacache::origin
