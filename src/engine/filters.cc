#include "engine/filters.h"

#include <algorithm>
#include <cstdlib>

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::engine {
namespace {

constexpr codec::ParseLimits kLimits{.max_bytes = 256 << 10, .max_depth = 8};

bool label_fits(const std::map<std::string, std::string>& labels, const std::string& wanted) {
  size_t equals = wanted.find('=');
  auto found = labels.find(wanted.substr(0, equals));
  return found != labels.end() && (equals == std::string::npos || found->second == std::string_view(wanted).substr(equals + 1));
}

constexpr int64_t kMostSeconds = 9'000'000'000;  // a WallTime counts nanoseconds

// "1h30m", as Go's durations: whole numbers of h, m and s are enough here.
std::optional<Duration> parse_ago(std::string_view text) {
  int64_t total = 0;
  while (!text.empty()) {
    size_t unit = text.find_first_of("hms");
    auto number = unit == std::string_view::npos ? std::nullopt : parse_uint(text.substr(0, unit));
    if (!number || *number > static_cast<uint64_t>(kMostSeconds)) return std::nullopt;
    int64_t seconds = text[unit] == 'h' ? 3600 : text[unit] == 'm' ? 60 : 1;
    total += static_cast<int64_t>(*number) * seconds;
    if (total > kMostSeconds) return std::nullopt;
    text.remove_prefix(unit + 1);
  }
  return std::chrono::seconds(total);
}

}  // namespace

Result<Filters> Filters::parse(std::string_view json) {
  Filters out;
  if (json.empty()) return out;
  auto document = codec::parse_json(json, kLimits);
  if (!document || !document->root.is_object()) return fail(Code::kInvalid, "invalid filter: ", json.substr(0, 200));
  for (const codec::Member& member : document->root.members()) {
    auto& values = out.values_[std::string(member.key)];
    for (const codec::Value& item : member.value.items()) values.emplace_back(item.as_string());
    for (const codec::Member& item : member.value.members())
      if (item.value.as_bool()) values.emplace_back(item.key);
    if (!member.value.is_array() && !member.value.is_object())
      return fail(Code::kInvalid, "invalid filter: ", json.substr(0, 200));
    if (values.empty()) out.values_.erase(std::string(member.key));
  }
  return out;
}

Result<void> Filters::check(std::initializer_list<std::string_view> known) const {
  for (const auto& [name, values] : values_)
    if (std::find(known.begin(), known.end(), name) == known.end()) return fail(Code::kInvalid, "invalid filter '", name, "'");
  return {};
}

const std::vector<std::string>& Filters::values(std::string_view name) const {
  static const std::vector<std::string> none;
  auto found = values_.find(name);
  return found == values_.end() ? none : found->second;
}

bool Filters::any(std::string_view name, const std::function<bool(const std::string&)>& fits) const {
  const auto& wanted = values(name);
  return wanted.empty() || std::any_of(wanted.begin(), wanted.end(), fits);
}

bool Filters::exact(std::string_view name, std::string_view value) const {
  return any(name, [&](const std::string& wanted) { return wanted == value; });
}

bool Filters::labels(const std::map<std::string, std::string>& labels) const {
  for (const std::string& wanted : values("label"))
    if (!label_fits(labels, wanted)) return false;
  for (const std::string& unwanted : values("label!"))
    if (label_fits(labels, unwanted)) return false;
  return true;
}

Result<bool> Filters::boolean(std::string_view name, bool fallback) const {
  const auto& wanted = values(name);
  if (wanted.empty()) return fallback;
  if (wanted.front() == "true" || wanted.front() == "1") return true;
  if (wanted.front() == "false" || wanted.front() == "0") return false;
  return fail(Code::kInvalid, "invalid filter '", name, "=", wanted.front(), "'");
}

Result<std::optional<WallTime>> Filters::until(WallTime now) const {
  const auto& wanted = values("until");
  if (wanted.empty()) return std::optional<WallTime>();
  const std::string& text = wanted.front();
  bool one = wanted.size() == 1 && !text.empty();
  if (auto time = parse_rfc3339(text); one && time) return *time;
  if (auto seconds = parse_int(text); one && seconds && std::abs(*seconds) <= kMostSeconds) return WallTime{std::chrono::seconds(*seconds)};
  if (auto ago = parse_ago(text); one && ago) return now - *ago;
  return fail(Code::kInvalid, "invalid filter 'until=", text, "': want one time (RFC 3339), seconds since 1970, or how long ago (24h)");
}

}  // namespace kobuk::engine
