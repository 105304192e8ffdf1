// Strong types for quantities that are too easily swapped as plain integers.
#pragma once

#include <compare>
#include <cstdint>

namespace kobuk {

struct Bytes {
  int64_t value = 0;
  auto operator<=>(const Bytes&) const = default;
  Bytes operator+(Bytes other) const { return {value + other.value}; }
  Bytes operator-(Bytes other) const { return {value - other.value}; }
};

struct Millicores {
  int64_t value = 0;
  auto operator<=>(const Millicores&) const = default;
  Millicores operator+(Millicores other) const { return {value + other.value}; }
  Millicores operator-(Millicores other) const { return {value - other.value}; }
};

}  // namespace kobuk
