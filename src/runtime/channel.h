// Channel: the daemon's end of one connection to a monitor (runtime/protocol.h). Loop thread only; at most
// one task sends and one receives.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/fd_stream.h"
#include "io/task.h"
#include "runtime/protocol.h"
#include "sys/fd.h"

namespace kobuk::runtime {

class Channel {
 public:
  struct Message {
    Reply reply;
    std::vector<sys::UniqueFd> fds;
  };
  Channel(io::Loop& loop, sys::UniqueFd socket);

  // Does not wait: kUnavailable when there is no room now, or nobody any more.
  Result<void> send(const Request& request, const std::vector<int>& fds = {});
  // Waits for room. The channel must be held by the caller meanwhile.
  io::Task<Result<void>> send_when_possible(Request request);
  // kUnavailable at the end of the connection; a kError is returned as the Error that it carries.
  io::Task<Result<Message>> receive();
  void close() { poll_.close(); }
  io::Loop& loop() { return loop_; }

 private:
  io::Loop& loop_;
  io::detail::PollFd poll_;
};

// Connects to the monitor of the container with that folder. kUnavailable: there is none;
// kResourceExhausted: there may be one, and it could not be reached now.
Result<std::shared_ptr<Channel>> connect_monitor(io::Loop& loop, const std::string& directory);

}  // namespace kobuk::runtime
