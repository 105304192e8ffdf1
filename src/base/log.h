// Structured log lines on stderr: `2026-01-02T03:04:05.678Z INFO  message key=value …`.
// An error is logged once, at the top, by whoever handles it; below that it is returned.
//
//   log::info("container started", {{"id", id}, {"pid", cat(pid)}});
//
// Any thread. A line is written with one write(2) and never blocks on a lock that is held across I/O.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace kobuk::log {

enum class Level { kDebug, kInfo, kWarn, kError };
struct Field {
  std::string_view key;
  std::string value;
};
using Fields = std::initializer_list<Field>;

void set_level(Level level);                      // default kInfo
void set_sink(void (*sink)(Level, std::string_view line));  // for tests; nullptr restores stderr
void write(Level level, std::string_view message, Fields fields = {});

inline void debug(std::string_view message, Fields fields = {}) { write(Level::kDebug, message, fields); }
inline void info(std::string_view message, Fields fields = {}) { write(Level::kInfo, message, fields); }
inline void warn(std::string_view message, Fields fields = {}) { write(Level::kWarn, message, fields); }
inline void error(std::string_view message, Fields fields = {}) { write(Level::kError, message, fields); }

}  // namespace kobuk::log
