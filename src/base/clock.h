// Time, as a dependency: production uses SystemClock, tests own a ManualClock.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace kobuk {

using Duration = std::chrono::nanoseconds;
using WallTime = std::chrono::sys_time<std::chrono::nanoseconds>;     // since the epoch, UTC
using MonoTime = std::chrono::time_point<std::chrono::steady_clock>;  // never goes back

class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;
  virtual MonoTime mono() const = 0;
};

// Shared by the whole process, stateless, any thread.
const Clock& system_clock();

class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime start = WallTime{std::chrono::seconds{1'700'000'000}}) : wall_(start) {}
  WallTime wall() const override { return wall_; }
  MonoTime mono() const override { return mono_; }
  void advance(Duration by) { wall_ += by, mono_ += by; }

 private:
  WallTime wall_;
  MonoTime mono_{};
};

// RFC 3339 in UTC: "2026-01-02T03:04:05Z" (seconds), with micros "….000000Z", with nanos as Go's RFC3339Nano.
std::string format_rfc3339(WallTime time);
std::string format_rfc3339_micro(WallTime time);
std::string format_rfc3339_nano(WallTime time);
std::optional<WallTime> parse_rfc3339(std::string_view text);  // any offset, any fraction

}  // namespace kobuk
