// Grammar and canonical form: k8s.io/apimachinery/pkg/api/resource, "Quantity" type documentation.
#include "api/quantity.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace kobuk::api {
namespace {

__extension__ using Int128 = __int128;
constexpr Int128 kNano = 1'000'000'000;
constexpr Int128 kMaxNano = Int128{std::numeric_limits<int64_t>::max()} * kNano;

constexpr std::string_view kBadFormat =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

struct Suffix {
  std::string_view text;
  Quantity::Format format;
  int power;  // of 10 for decimal, of 1024 for binary
};
constexpr Suffix kSuffixes[] = {
    {"n", Quantity::Format::kDecimalSi, -9}, {"u", Quantity::Format::kDecimalSi, -6},
    {"m", Quantity::Format::kDecimalSi, -3}, {"", Quantity::Format::kDecimalSi, 0},
    {"k", Quantity::Format::kDecimalSi, 3},  {"M", Quantity::Format::kDecimalSi, 6},
    {"G", Quantity::Format::kDecimalSi, 9},  {"T", Quantity::Format::kDecimalSi, 12},
    {"P", Quantity::Format::kDecimalSi, 15}, {"E", Quantity::Format::kDecimalSi, 18},
    {"Ki", Quantity::Format::kBinarySi, 1},  {"Mi", Quantity::Format::kBinarySi, 2},
    {"Gi", Quantity::Format::kBinarySi, 3},  {"Ti", Quantity::Format::kBinarySi, 4},
    {"Pi", Quantity::Format::kBinarySi, 5},  {"Ei", Quantity::Format::kBinarySi, 6},
};

struct Number {
  bool negative = false;
  Int128 mantissa = 0;  // digits without the point
  int scale = 0;        // power of ten to multiply with, <= 0
  bool overflow = false, inexact = false;
};

// Takes [+-]digits[.digits]; nullopt without a digit. Digits past 30 significant ones only decide the rounding.
std::optional<Number> take_number(std::string_view& text) {
  Number out;
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) {
    out.negative = text[0] == '-';
    text.remove_prefix(1);
  }
  constexpr Int128 kMost = Int128{1'000'000'000'000'000} * 1'000'000'000'000'000;
  bool point = false, digits = false;
  for (; !text.empty(); text.remove_prefix(1)) {
    char c = text[0];
    if (c == '.' && !point) {
      point = true;
      continue;
    }
    if (c < '0' || c > '9') break;
    digits = true;
    if (out.mantissa >= kMost) {
      out.overflow = out.overflow || !point;
      out.inexact = out.inexact || c != '0';
      continue;
    }
    out.mantissa = out.mantissa * 10 + (c - '0');
    out.scale -= point;
  }
  if (!digits) return std::nullopt;
  return out;
}

std::optional<Suffix> find_suffix(std::string_view text) {
  for (const Suffix& suffix : kSuffixes) {
    if (suffix.text == text) return suffix;
  }
  if (text.size() < 2 || (text[0] != 'e' && text[0] != 'E')) return std::nullopt;
  std::string_view digits = text.substr(text[1] == '+' ? 2 : 1);
  auto power = parse_int(digits);
  if (!power || *power < -1000 || *power > 1000) return std::nullopt;
  return Suffix{text, Quantity::Format::kDecimalExponent, static_cast<int>(*power)};
}

// mantissa × 10^power as nanos, capped; rounded away from zero.
Int128 scale_to_nano(Int128 mantissa, int power, bool inexact) {
  power += 9;
  for (; power > 0 && mantissa != 0; --power) {
    mantissa *= 10;
    if (mantissa > kMaxNano) return kMaxNano;
  }
  for (; power < 0 && mantissa != 0; ++power) {
    inexact = inexact || mantissa % 10 != 0;
    mantissa /= 10;
  }
  return std::min(mantissa + (inexact ? 1 : 0), kMaxNano);
}

int64_t divide_up(Int128 nano, Int128 unit) {
  Int128 whole = nano / unit;
  if (nano > 0 && nano % unit != 0) ++whole;
  whole = std::clamp(whole, Int128{std::numeric_limits<int64_t>::min()}, Int128{std::numeric_limits<int64_t>::max()});
  return static_cast<int64_t>(whole);
}

std::string digits_of(Int128 amount) {
  std::string out;
  for (; amount > 0; amount /= 10) out.push_back(static_cast<char>('0' + static_cast<int>(amount % 10)));
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

Result<Quantity> Quantity::parse(std::string_view text) {
  std::string_view rest = text;
  auto number = text.size() <= 256 ? take_number(rest) : std::nullopt;
  auto suffix = number ? find_suffix(rest) : std::nullopt;
  if (!suffix) return fail(Code::kInvalid, kBadFormat);
  Int128 nano = 0;
  if (number->overflow) {
    nano = kMaxNano;
  } else if (suffix->format == Format::kBinarySi) {
    Int128 mantissa = number->mantissa;
    for (int i = 0; i < suffix->power && mantissa <= kMaxNano; ++i) mantissa *= 1024;
    nano = scale_to_nano(std::min(mantissa, kMaxNano), number->scale, number->inexact);
  } else {
    nano = scale_to_nano(number->mantissa, number->scale + suffix->power, number->inexact);
  }
  return Quantity(number->negative ? -nano : nano, suffix->format);
}

Quantity Quantity::of(int64_t value, Format format) { return Quantity(Int128{value} * kNano, format); }
Quantity Quantity::of_milli(int64_t milli, Format format) { return Quantity(Int128{milli} * 1'000'000, format); }

int64_t Quantity::value() const { return divide_up(nano_, kNano); }
int64_t Quantity::milli() const { return divide_up(nano_, 1'000'000); }

Quantity Quantity::operator+(const Quantity& other) const {
  Int128 sum = std::clamp(nano_ + other.nano_, -kMaxNano, kMaxNano);
  return Quantity(sum, is_zero() ? other.format_ : format_);
}
Quantity Quantity::operator-(const Quantity& other) const {
  return *this + Quantity(-other.nano_, other.format_);
}

std::string Quantity::text() const {
  if (nano_ == 0) return "0";
  std::string sign = nano_ < 0 ? "-" : "";
  Int128 amount = nano_ < 0 ? -nano_ : nano_;
  if (format_ == Format::kBinarySi && amount % kNano == 0 && amount / kNano >= 1024) {
    Int128 whole = amount / kNano;
    int power = 0;
    for (; power < 6 && whole % 1024 == 0; ++power) whole /= 1024;
    return cat(sign, static_cast<int64_t>(whole), power == 0 ? "" : kSuffixes[9 + power].text);
  }
  int power = -9;
  for (; power < 18 && amount % 1000 == 0; power += 3) amount /= 1000;
  std::string digits = digits_of(amount);  // a fraction of an Ei has more than fit in 64 bits
  if (format_ == Format::kDecimalExponent) return power == 0 ? sign + digits : cat(sign, digits, "e", power);
  return cat(sign, digits, kSuffixes[(power + 9) / 3].text);
}

}  // namespace kobuk::api
