// IntOrString: a number or a text, as targetPort (80, "http") and maxSurge (1, "25%") are.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace kobuk::api {

struct IntOrString {
  int32_t number = 0;
  std::string string;  // counts when is_string
  bool is_string = false;

  IntOrString() = default;
  IntOrString(int32_t value) : number(value) {}                                      // NOLINT: reads as in YAML
  IntOrString(std::string value) : string(std::move(value)), is_string(true) {}      // NOLINT
  IntOrString(const char* value) : string(value), is_string(true) {}                 // NOLINT

  std::string text() const { return is_string ? string : std::to_string(number); }
  bool operator==(const IntOrString&) const = default;
};

}  // namespace kobuk::api
