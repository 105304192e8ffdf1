// Streams after an upgrade: frames of several outputs in one connection, and the keys that detach.
// docs.docker.com/reference/api/engine/version/v1.50, "Attach to a container", stream format.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "engine/docker.h"

namespace kobuk::engine::docker {

enum class StreamKind : uint8_t { kIn = 0, kOut = 1, kErr = 2 };
// {kind, 0, 0, 0, length big-endian} and the bytes.
std::string frame(StreamKind kind, std::string_view bytes);

// The head of an answer that turns the connection over; nullopt when the client did not ask for an upgrade.
std::optional<Response> upgrade_response(const Call& call, bool tty);

// Looks for the detaching keys ("ctrl-p,ctrl-q", "ctrl-a,x") in what is typed.
class DetachKeys {
 public:
  static Result<DetachKeys> parse(std::string_view keys);  // empty: the default ones
  // What of `typed` goes on to the container; detached: the sequence was completed.
  std::string pass(std::string_view typed, bool& detached);

 private:
  std::string sequence_;
  size_t matched_ = 0;
};

}  // namespace kobuk::engine::docker
