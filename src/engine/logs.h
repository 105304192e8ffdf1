// Reading what a container wrote: Docker's json-file log, with its rotated predecessors, and following it as it grows.
//
//   LogReader reader(path, {.tail = 10});
//   while (true) { KOBUK_TRY(auto lines, reader.read()); if (lines.empty()) break; … }
//
// Blocking; one thread at a time. A line that can't be read (cut off by a crash) is passed over.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/loop.h"
#include "sys/fd.h"

namespace kobuk::engine {

struct LogLine {
  bool is_stderr = false;
  WallTime time{};
  std::string text;  // with its newline, if it had one
};
// {"log":"…","stream":"stdout","time":"…"}; nullopt when it is none.
std::optional<LogLine> parse_log_line(std::string_view json);

struct LogOptions {
  std::optional<uint64_t> tail;  // the last lines; nothing: all
  std::optional<WallTime> since, until;
  bool out = true, err = true;
};

class LogReader {
 public:
  LogReader(std::string path, LogOptions options) : path_(std::move(path)), options_(options) {}
  // The next lines, up to about 256 KiB; empty when there are none (yet). Goes on behind a rotation.
  Result<std::vector<LogLine>> read();
  bool past_until() const { return past_until_; }

 private:
  Result<void> open_first();
  Result<void> skip_to_tail(const std::vector<std::string>& files);
  bool open_next();  // after the end of the present file: whether there is a newer one
  bool wanted(const LogLine& line);
  void take_lines(std::string_view bytes, std::vector<LogLine>& out);

  std::string path_;
  LogOptions options_;
  bool opened_ = false, past_until_ = false;
  sys::UniqueFd file_;
  std::string partial_;
  std::vector<std::string> pending_;  // older files still to be read, the next one last
};

// Tells when files of a folder change: an inotify watch on the loop. Sets `changed` then.
class FolderWatch {
 public:
  static Result<std::unique_ptr<FolderWatch>> open(io::Loop& loop, const std::string& folder);
  ~FolderWatch();
  io::Event changed;

 private:
  explicit FolderWatch(io::Loop& loop) : changed(loop), loop_(loop) {}
  io::Loop& loop_;
  sys::UniqueFd inotify_;
};

}  // namespace kobuk::engine
