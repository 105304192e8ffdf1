// Container logs in the CRI format, one line a record:
//
//   2026-01-02T03:04:05.123456789Z stdout F the text of a whole line
//   2026-01-02T03:04:05.123456789Z stderr P a part of a line, the next record goes on
//
// The current file is <path>; rotated ones are <path>.1 (newest), <path>.2, … LogFilter is pure and bounded.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "io/http.h"
#include "io/loop.h"

namespace kobuk::node {

struct LogRecord {
  std::string_view time, stream, text;  // text without the line end
  bool partial = false;
};
std::optional<LogRecord> parse_log_record(std::string_view line);  // without its line end

struct LogOptions {
  bool follow = false, previous = false, timestamps = false;
  std::optional<int64_t> tail_lines, limit_bytes;
  std::optional<WallTime> since;
  std::string stream;  // "stdout", "stderr", or empty for both
};
// Of the query of a log request. kInvalid in Kubernetes' words.
Result<LogOptions> parse_log_options(const io::http::Query& query, WallTime now);

// Records in pieces of any size → what the client is to read.
class LogFilter {
 public:
  explicit LogFilter(LogOptions options) : options_(std::move(options)) {}
  void feed(std::string_view bytes, std::string& out);
  void end_of_file();      // what is left is no whole record, and never will be
  bool full() const { return options_.limit_bytes && sent_ >= *options_.limit_bytes; }

 private:
  void record(std::string_view line, std::string& out);
  LogOptions options_;
  std::string rest_;
  bool at_line_start_ = true;
  int64_t sent_ = 0;
};

// Where in the file (descriptor) the last `lines` records begin; `lines` becomes what is missing still.
Result<int64_t> find_tail(int fd, int64_t& lines);
// The end of a log, as texts alone: at most so many lines and bytes.
std::string last_log_lines(const std::string& path, int64_t lines, size_t bytes);

// Reads a container's log as the options want it. With follow, `running` is asked at the end of the file and `changed`
// (set whenever the container changes) is waited for.
struct FollowedContainer {
  std::function<bool()> running;
  std::shared_ptr<io::Event> changed;
};
Result<std::unique_ptr<io::http::BodySource>> open_log(io::Loop& loop, const std::string& path, LogOptions options,
                                                       FollowedContainer container);

}  // namespace kobuk::node
