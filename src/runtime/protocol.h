// What the daemon and a monitor say to each other: one message a packet over a SOCK_SEQPACKET socket in the
// container's folder, in the form of runtime/wire.h. A connection is for one purpose, which its first request
// names:
//
//   kFollow       → kState, and again after every change, until the monitor ends
//   kExec         → kStarted (terminal: with its master), then kEnded; kSignal may be sent meanwhile.
//                   descriptors: the process plan, standard input, output, error
//   kAttach       → kOutput …, end of the connection; kInput and kCloseInput may be sent meanwhile
//   any other     → kDone or kError
//
// kError answers any request that failed; an exec that could not start ends with it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "sys/cgroup.h"

namespace kobuk::runtime {

inline constexpr size_t kMaxMessage = 96 << 10;
inline constexpr size_t kMaxInput = 32 << 10;  // bytes of one kInput or kOutput
inline constexpr const char* kSocketName = "monitor.sock";
inline constexpr const char* kStateName = "state";

struct Request {
  enum class Kind : uint8_t {
    kFollow,
    kStart,
    kSignal,
    kExec,
    kAttach,
    kInput,
    kCloseInput,
    kResize,
    kReopenLog,
    kFreeze
  };
  Kind kind = Kind::kFollow;
  int32_t signal = 0;                         // kSignal
  bool in = false, out = false, err = false;  // kAttach: wanted; kExec: in, out, err descriptors are given
  uint16_t columns = 0, rows = 0;             // kResize
  bool frozen = false;                        // kFreeze
  std::vector<sys::CgroupWrite> writes;       // kFreeze
  std::string bytes;                          // kInput
  bool operator==(const Request&) const = default;
};

struct Reply {
  enum class Kind : uint8_t { kDone, kError, kState, kOutput, kStarted, kEnded };
  Kind kind = Kind::kDone;
  uint8_t code = 0;        // kError: Code
  int32_t number = 0;      // kError: errno; kStarted: pid; kEnded: exit code
  int32_t signal = 0;      // kEnded
  WallTime time{};         // kEnded
  bool is_stderr = false;  // kOutput
  std::string bytes;       // kError: message; kState: encode_state(); kOutput
  bool operator==(const Reply&) const = default;
};

std::string encode(const Request& request);
std::string encode(const Reply& reply);
Result<Request> decode_request(
    std::string_view packet);  // kDataLoss, or kUnsupported for another version; fuzzed
Result<Reply> decode_reply(std::string_view packet);

Reply error_reply(const Error& error);
Error error_of(const Reply& reply);

}  // namespace kobuk::runtime
