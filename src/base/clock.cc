#include "base/clock.h"

#include "base/strings.h"

namespace kobuk {
namespace {

class SystemClock final : public Clock {
 public:
  WallTime wall() const override {
    return std::chrono::time_point_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now());
  }
  MonoTime mono() const override { return std::chrono::steady_clock::now(); }
};

void append_padded(std::string& out, int64_t value, size_t width) {
  std::string digits = cat(value);
  if (digits.size() < width) out.append(width - digits.size(), '0');
  out += digits;
}

// "2026-01-02T03:04:05"; returns the nanoseconds within the second.
int64_t append_seconds(std::string& out, WallTime time) {
  using namespace std::chrono;
  auto days = floor<std::chrono::days>(time);
  year_month_day date(days);
  hh_mm_ss<nanoseconds> of_day(time - days);
  append_padded(out, int(date.year()), 4);
  out += '-';
  append_padded(out, unsigned(date.month()), 2);
  out += '-';
  append_padded(out, unsigned(date.day()), 2);
  out += 'T';
  append_padded(out, of_day.hours().count(), 2);
  out += ':';
  append_padded(out, of_day.minutes().count(), 2);
  out += ':';
  append_padded(out, of_day.seconds().count(), 2);
  return of_day.subseconds().count();
}

std::optional<int64_t> take_digits(std::string_view& text, size_t count) {
  if (text.size() < count) return std::nullopt;
  for (char c : text.substr(0, count)) {
    if (c < '0' || c > '9') return std::nullopt;
  }
  auto value = parse_int(text.substr(0, count));
  text.remove_prefix(count);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || (text[0] != c && text[0] != c + 32)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<Duration> take_fraction(std::string_view& text) {
  if (text.empty() || text[0] != '.') return Duration{0};
  text.remove_prefix(1);
  int64_t nanos = 0;
  size_t digits = 0;
  for (; !text.empty() && text[0] >= '0' && text[0] <= '9'; text.remove_prefix(1), ++digits) {
    if (digits < 9) nanos = nanos * 10 + (text[0] - '0');
  }
  if (digits == 0) return std::nullopt;
  for (size_t i = digits; i < 9; ++i) nanos *= 10;
  return Duration{nanos};
}

std::optional<Duration> take_offset(std::string_view& text) {
  if (take(text, 'Z')) return Duration{0};
  if (text.empty() || (text[0] != '+' && text[0] != '-')) return std::nullopt;
  int sign = text[0] == '-' ? -1 : 1;
  text.remove_prefix(1);
  auto hours = take_digits(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  auto minutes = take_digits(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  return std::chrono::minutes{sign * (*hours * 60 + *minutes)};
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string format_rfc3339(WallTime time) {
  std::string out;
  append_seconds(out, time);
  return out + "Z";
}

std::string format_rfc3339_micro(WallTime time) {
  std::string out;
  int64_t nanos = append_seconds(out, time);
  out += '.';
  append_padded(out, nanos / 1000, 6);
  return out + "Z";
}

std::string format_rfc3339_nano(WallTime time) {
  std::string out;
  int64_t nanos = append_seconds(out, time);
  if (nanos != 0) {
    out += '.';
    append_padded(out, nanos, 9);
    while (out.back() == '0') out.pop_back();
  }
  return out + "Z";
}

std::optional<WallTime> parse_rfc3339(std::string_view text) {
  auto year = take_digits(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  auto month = take_digits(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  auto day = take_digits(text, 2);
  if (!day || !take(text, 'T')) return std::nullopt;
  auto hour = take_digits(text, 2);
  if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
  auto minute = take_digits(text, 2);
  if (!minute || *minute > 59 || !take(text, ':')) return std::nullopt;
  auto second = take_digits(text, 2);
  if (!second || *second > 59) return std::nullopt;
  auto fraction = take_fraction(text);
  if (!fraction) return std::nullopt;
  auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  using namespace std::chrono;
  year_month_day date{std::chrono::year{int(*year)}, std::chrono::month{unsigned(*month)}, std::chrono::day{unsigned(*day)}};
  if (!date.ok()) return std::nullopt;
  return WallTime{sys_days(date)} + hours(*hour) + minutes(*minute) + seconds(*second) + *fraction - *offset;
}

}  // namespace kobuk
