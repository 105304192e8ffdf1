// Docker's stream frames (Engine API, "Stream format") and its progress messages (jsonmessage).
#include <unistd.h>

#include <algorithm>

#include "app/command_end.h"
#include "app/docker/client.h"
#include "codec/json.h"

namespace kobuk::app::docker {

void Demultiplexer::feed(std::string_view bytes) {
  constexpr size_t kHeader = 8;
  while (!bytes.empty()) {
    if (left_ == 0) {
      size_t take = std::min(kHeader - header_.size(), bytes.size());
      header_ += bytes.substr(0, take);
      bytes.remove_prefix(take);
      if (header_.size() < kHeader) return;
      is_stderr_ = header_[0] == 2;
      for (size_t i = 4; i < kHeader; ++i) left_ = left_ << 8 | static_cast<unsigned char>(header_[i]);
      header_.clear();
      continue;
    }
    size_t take = std::min(left_, bytes.size());
    output_(is_stderr_, bytes.substr(0, take));
    bytes.remove_prefix(take);
    left_ -= take;
  }
}

void ProgressPrinter::feed(std::string_view bytes) {
  buffer_ += bytes;
  for (size_t end; (end = buffer_.find('\n')) != std::string::npos; buffer_.erase(0, end + 1)) {
    auto message = codec::parse_json(std::string_view(buffer_).substr(0, end));
    if (message) show(message->root);
  }
}

void ProgressPrinter::show(const codec::Value& message) {
  if (std::string_view error = message["error"].as_string(); !error.empty()) error_ = error;
  std::string_view status = message["status"].as_string(), id = message["id"].as_string();
  if (std::string_view stream = message["stream"].as_string(); !stream.empty() && !quiet_) print(stream);
  if (status.empty() || quiet_) return;
  const codec::Value& detail = message["progressDetail"];
  bool moving = detail["total"].as_int() > 0;
  std::string amount = moving ? cat(" ", detail["current"].as_int() * 100 / detail["total"].as_int(), " %") : "";
  bool terminal = isatty(STDOUT_FILENO) == 1;
  if (id.empty() || !terminal) {
    if (!moving || !terminal) amount.clear();
    if (!terminal && moving) return;  // one line for each state, not for each percent
    print(cat(id, id.empty() ? "" : ": ", status, "\n"));
    if (terminal && !lines_.empty()) lines_.clear();
    return;
  }
  auto found = std::find(lines_.begin(), lines_.end(), id);
  if (found == lines_.end()) {
    lines_.emplace_back(id);
    print(cat(id, ": ", status, amount, "\n"));
    return;
  }
  auto up = lines_.end() - found;
  print(cat("\x1b[", up, "A\r\x1b[2K", id, ": ", status, amount, "\x1b[", up, "B\r"));
  std::fflush(stdout);
}

Result<void> ProgressPrinter::result() const {
  if (error_.empty()) return {};
  return fail(Code::kInternal, "Error response from daemon: ", error_);
}

}  // namespace kobuk::app::docker
