// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string>

#include <nlohmann/json.hpp>

#include "arenacache/base/text.h"
#include "arenacache/base/units.h"
#include "json_fields.h"
#include "views.h"

namespace arenacache::cli {

using base::format_size;
using base::text;
using nlohmann::json;

namespace {

/// "850 MB/s"; empty where nothing was done.
std::string rate_text(const json& tier, const char* key) {
  const json rate = tier.value(key, json());
  return rate.is_number() ? base::format_rate(rate.get<double>()) : "";
}

/// "  ssd packs at 850 MB/s a thread, unpacks at 2.1 GB/s"; nothing where it did neither.
std::string rates_line(const std::string& name, const json& tier) {
  const std::string packs = rate_text(tier, "encode_bytes_per_s");
  const std::string unpacks = rate_text(tier, "decode_bytes_per_s");
  if (packs.empty() && unpacks.empty()) return {};
  std::string out = name;
  if (!packs.empty()) out += text(" packs at ", packs, unpacks.empty() ? "" : ",");
  if (!unpacks.empty()) out += " unpacks at " + unpacks;
  return out + " a thread\n";
}

/// "  raw has 12.0 GiB less by sharing"; nothing where no two files are alike.
std::string sharing_line(const json& tier) {
  const auto saved = number_at(tier.value("saved", json::object()), "sharing_bytes");
  if (saved == 0) return {};
  return text("  ", tier.value("name", ""), " takes ", format_size(saved), " less by sharing\n");
}

}  // namespace

std::string packed_view(const json& tier) {
  if (tier.contains("trouble")) return {};
  if (tier.value("kind", "") != "packed") return sharing_line(tier);
  const auto logical = number_at(tier, "logical_bytes");
  const std::string name = "  " + tier.value("name", "");
  if (logical == 0) return {};
  const json saved = tier.value("saved", json::object());
  return text(name, " holds ", format_size(logical), " of files, ", format_size(number_at(saved, "sharing_bytes")),
              " less by sharing, ", format_size(number_at(saved, "delta_bytes")), " by differences, ",
              format_size(number_at(saved, "codec_bytes")), " by the codec\n", rates_line(name, tier));
}

}  // namespace arenacache::cli
