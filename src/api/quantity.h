// Quantity: Kubernetes' fixed-point numbers with a suffix ("100m", "1.5Gi", "2e3").
// Grammar: k8s.io/apimachinery resource.Quantity (documented with the API type).
//
//   KOBUK_TRY(Quantity q, Quantity::parse("1.5Gi"));
//   q.value();     // 1610612736, rounded up
//   q.milli();     // in thousandths, rounded up
//   q.text();      // canonical: "1536Mi"
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::api {

class Quantity {
 public:
  enum class Format : uint8_t { kDecimalSi, kBinarySi, kDecimalExponent };

  Quantity() = default;
  // Errors: kInvalid with Kubernetes' text. Amounts past ±2^63 are capped, precision below 1n is rounded up (away
  // from zero), as upstream does.
  static Result<Quantity> parse(std::string_view text);
  static Quantity of(int64_t value, Format format = Format::kDecimalSi);
  static Quantity of_milli(int64_t milli, Format format = Format::kDecimalSi);

  int64_t value() const;  // whole units, rounded up, capped
  int64_t milli() const;  // thousandths, rounded up, capped
  bool is_zero() const { return nano_ == 0; }
  bool is_negative() const { return nano_ < 0; }
  Format format() const { return format_; }
  std::string text() const;  // canonical form

  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;
  std::strong_ordering operator<=>(const Quantity& other) const { return nano_ <=> other.nano_; }
  bool operator==(const Quantity& other) const { return nano_ == other.nano_; }

 private:
  __extension__ using Int128 = __int128;
  Quantity(Int128 nano, Format format) : nano_(nano), format_(format) {}
  Int128 nano_ = 0;  // billionths: holds every int64 whole amount exactly
  Format format_ = Format::kDecimalSi;
};

}  // namespace kobuk::api
