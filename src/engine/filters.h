// The `filters` parameter of the Docker Engine API: {"status":{"running":true}} or, of older clients,
// {"status":["running"]}. Values of one name are alternatives (labels: all must hold), different names must all hold.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

namespace kobuk::engine {

class Filters {
 public:
  // kInvalid: invalid filter. Empty text: no filters.
  static Result<Filters> parse(std::string_view json);
  // kInvalid "invalid filter 'x'" when a name is not among `known`.
  Result<void> check(std::initializer_list<std::string_view> known) const;

  bool has(std::string_view name) const { return values_.contains(name); }
  const std::vector<std::string>& values(std::string_view name) const;
  // True without such a filter, or when one of its values fits.
  bool any(std::string_view name, const std::function<bool(const std::string&)>& fits) const;
  bool exact(std::string_view name, std::string_view value) const;
  // "name" or "name=value"; all of them; `name!`: label! filters, none of them.
  bool labels(const std::map<std::string, std::string>& labels) const;
  // "true", "1", "false", "0"; kInvalid for others.
  Result<bool> boolean(std::string_view name, bool fallback) const;
  // The filter "until": RFC 3339, seconds since 1970, or how long ago ("24h", "1h30m"). Nothing without one.
  Result<std::optional<WallTime>> until(WallTime now) const;

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
};

}  // namespace kobuk::engine
