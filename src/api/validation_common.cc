// Pieces that the rules of several kinds share.
#include "api/selector.h"
#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {

void breaches(const Path& path, std::string_view value, const Breaches& list, FieldErrors& errors) {
  for (const auto& breach : list) errors.invalid(path, value, breach);
}

void breaches(const Path& path, int64_t value, const Breaches& list, FieldErrors& errors) {
  for (const auto& breach : list) errors.invalid(path, value, breach);
}

void immutable(const Path& path, const Value& now, const Value& before, FieldErrors& errors) {
  if (!(now == before)) errors.invalid(path, now, kImmutable);
}

void not_negative(const Path& path, const Value& value, FieldErrors& errors) {
  if (value.as_int() < 0) errors.invalid(path, value.as_int(), kNotNegative);
}

void labels(const Path& path, const Value& labels, FieldErrors& errors) {
  for (const auto& member : labels.members()) {
    breaches(path, member.key, qualified_name(member.key), errors);
    breaches(path, member.value.as_string(), label_value(member.value.as_string()), errors);
  }
}

namespace {

void expression(const Path& path, const Value& expression, FieldErrors& errors) {
  std::string_view op = expression["operator"].as_string();
  size_t values = expression["values"].size();
  if (op == "In" || op == "NotIn") {
    if (values == 0) errors.required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (values > 0) errors.forbidden(path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else {
    errors.invalid(path.child("operator"), op, "not a valid selector operator");
  }
  std::string_view key = expression["key"].as_string();
  breaches(path.child("key"), key, qualified_name(key), errors);
  size_t index = 0;
  for (const Value& value : expression["values"].items())
    breaches(path.child("values").at(index++), value.as_string(), label_value(value.as_string()), errors);
}

}  // namespace

void label_selector(const Path& path, const Value& selector, FieldErrors& errors) {
  labels(path.child("matchLabels"), selector["matchLabels"], errors);
  size_t index = 0;
  Path list = path.child("matchExpressions");
  for (const Value& item : selector["matchExpressions"].items()) expression(list.at(index++), item, errors);
}

void port_or_name(const Path& path, const Value& port, FieldErrors& errors) {
  if (port.is_string()) breaches(path, port.as_string(), port_name(port.as_string()), errors);
  else breaches(path, port.as_int(), port_number(port.as_int()), errors);
}

void choice(const Path& path, const Value& value, std::span<const std::string_view> supported, FieldErrors& errors) {
  if (value.as_string().empty()) return errors.required(path);
  for (auto one : supported)
    if (one == value.as_string()) return;
  errors.not_supported(path, value.as_string(), supported);
}

void descending_path(const Path& path, std::string_view value, FieldErrors& errors) {
  if (value.starts_with('/')) errors.invalid(path, value, "must be a relative path");
  for (auto part : split(value, '/'))
    if (part == "..") return errors.invalid(path, value, "must not contain '..'");
}

}  // namespace kobuk::api::validation
