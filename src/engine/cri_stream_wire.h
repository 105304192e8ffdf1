// kobuk.v1.Streams: the streams of exec, attach and port-forward over the CRI's socket, for our own node. (The CRI itself
// answers Exec, Attach and PortForward with the URL of a second server, which speaks SPDY or WebSocket.) Pure. Internal
// to the room.
//
//   service Streams {
//     rpc Exec(stream ToProcess) returns (stream FromProcess);
//     rpc Attach(stream ToProcess) returns (stream FromProcess);
//     rpc PortForward(stream ToProcess) returns (stream FromProcess);
//   }
//
// The first message each way opens: what is wanted, and what there is. Bytes follow, each side sending no more than
// kStreamWindow of a stream before the other has told that it took them; so one stream that nobody reads holds up no
// other. `exit` comes when the process has ended, which may be before its outputs have.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::engine::wire {

constexpr size_t kStreamWindow = 256 << 10, kStreamPiece = 32 << 10;

struct StreamOpen {              // message Open
  std::string id;                // 1: container, or sandbox for PortForward
  std::vector<std::string> command;                       // 2
  bool tty = false, in = false, out = false, err = false;  // 3 4 5 6
  uint32_t port = 0;                                      // 7
};
struct WindowSize {  // message Size
  uint32_t columns = 0, rows = 0;
};
struct ToProcess {
  std::optional<StreamOpen> open;              // 1, in the first message
  std::string in;                              // 2
  bool close_in = false;                       // 3
  std::optional<WindowSize> resize;            // 4
  uint64_t taken_out = 0, taken_err = 0;       // 5 6: since the last time
};
struct FromProcess {
  bool opened = false;                         // 1, in the first message
  bool has_in = false, has_out = false, has_err = false;  // 2 3 4
  std::string out, err;                        // 5 6
  bool out_ended = false, err_ended = false;   // 7 8
  std::optional<int32_t> exit;                 // 9: a message, with the code at 1
  uint64_t taken_in = 0;                       // 10
};

std::string encode(const ToProcess& message);
std::string encode(const FromProcess& message);
Result<void> decode(std::string_view bytes, ToProcess& out);
Result<void> decode(std::string_view bytes, FromProcess& out);

}  // namespace kobuk::engine::wire
