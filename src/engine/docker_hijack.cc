#include "engine/docker_hijack.h"

namespace kobuk::engine::docker {

std::string frame(StreamKind kind, std::string_view bytes) {
  std::string out(8, '\0');
  out[0] = static_cast<char>(kind);
  for (size_t i = 0; i < 4; ++i) out[4 + i] = static_cast<char>(bytes.size() >> (24 - 8 * i));
  out += bytes;
  return out;
}

std::optional<Response> upgrade_response(const Call& call, bool tty) {
  if (!equals_ignore_case(call.request.headers.get("Upgrade"), "tcp")) return std::nullopt;
  constexpr int kMultiplexedType = 42;  // since 1.42 the type says which of the two formats it is
  Response out;
  out.status = 101;
  out.headers.set("Content-Type", tty || call.minor < kMultiplexedType ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream");
  out.headers.set("Connection", "Upgrade");
  out.headers.set("Upgrade", "tcp");
  return out;
}

Result<DetachKeys> DetachKeys::parse(std::string_view keys) {
  DetachKeys out;
  if (keys.empty()) keys = "ctrl-p,ctrl-q";
  for (std::string_view key : split(keys, ',')) {
    if (key.size() == 1) {
      out.sequence_ += key;
      continue;
    }
    char last = key.size() == 6 && key.starts_with("ctrl-") ? key[5] : '\0';
    constexpr std::string_view kOthers = "@[\\]^_";
    bool letter = last >= 'a' && last <= 'z';
    if (!letter && (last == '\0' || kOthers.find(last) == std::string_view::npos)) return fail(Code::kInvalid, "Unknown character: '", key, "'");
    out.sequence_ += static_cast<char>(last & 0x1f);
  }
  return out;
}

std::string DetachKeys::pass(std::string_view typed, bool& detached) {
  std::string out;
  for (char c : typed) {
    if (c == sequence_[matched_]) {
      if (++matched_ < sequence_.size()) continue;
      detached = true;
      return out;
    }
    // What was held back was no detaching after all.
    out += sequence_.substr(0, matched_);
    matched_ = c == sequence_[0] ? 1 : 0;
    if (matched_ == 0) out += c;
  }
  return out;
}

}  // namespace kobuk::engine::docker
