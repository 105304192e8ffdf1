// LogFile: a container's output as a file that Docker or the kubelet reads, rotated by size.
//
//   LogFile log(config);
//   KOBUK_CHECK(log.open());
//   KOBUK_CHECK(log.write(LogStream::kStdout, bytes, now));   // any pieces; lines are put together
//   KOBUK_CHECK(log.finish(now));                             // what has no line feed yet
//
// A write that fails (a full disk) loses those lines and says so; the next ones are tried again.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "runtime/spec.h"
#include "sys/fd.h"

namespace kobuk::runtime {

enum class LogStream : uint8_t { kStdout, kStderr };

class LogFile {
 public:
  static constexpr size_t kMaxLine = 16 << 10;  // longer lines are split, as Docker's and containerd's are

  explicit LogFile(LogConfig config) : config_(std::move(config)) {}
  Result<void> open();
  Result<void> reopen();
  Result<void> write(LogStream stream, std::string_view bytes, WallTime now);
  Result<void> finish(WallTime now);

 private:
  void take_line(LogStream stream, std::string_view line, bool complete, std::string_view time);
  Result<void> flush();
  Result<void> rotate();

  LogConfig config_;
  sys::UniqueFd file_;
  uint64_t size_ = 0;
  std::string partial_[2];  // by stream: the start of a line whose end has not come
  std::string out_;
};

}  // namespace kobuk::runtime
