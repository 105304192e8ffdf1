#include "base/log.h"

#include <unistd.h>

#include <atomic>

#include "base/clock.h"
#include "base/strings.h"

namespace kobuk::log {
namespace {

std::atomic<Level> minimum{Level::kInfo};
std::atomic<void (*)(Level, std::string_view)> sink{nullptr};

std::string_view level_name(Level level) {
  switch (level) {
    case Level::kDebug: return "DEBUG";
    case Level::kInfo: return "INFO ";
    case Level::kWarn: return "WARN ";
    case Level::kError: return "ERROR";
  }
  return "?    ";
}

// A value is quoted when it would not read as one word, so that a line stays one line whatever a container sent.
void append_value(std::string& out, std::string_view value) {
  bool plain = !value.empty();
  for (unsigned char c : value) plain = plain && c > ' ' && c != '"' && c != '=' && c < 0x7f;
  if (plain) {
    out += value;
  } else {
    out += go_quote(value);
  }
}

}  // namespace

void set_level(Level level) { minimum = level; }
void set_sink(void (*new_sink)(Level, std::string_view)) { sink = new_sink; }

void write(Level level, std::string_view message, Fields fields) {
  if (level < minimum.load(std::memory_order_relaxed)) return;
  std::string line = format_rfc3339_micro(system_clock().wall());
  line.replace(line.size() - 4, 4, "Z");  // milliseconds are enough for people
  cat_to(line, ' ', level_name(level), ' ', message);
  for (const Field& field : fields) {
    cat_to(line, ' ', field.key, '=');
    append_value(line, field.value);
  }
  if (auto to = sink.load()) return to(level, line);
  line += '\n';
  // A full pipe or closed stderr must not stop the program: the line is lost.
  [[maybe_unused]] ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace kobuk::log
