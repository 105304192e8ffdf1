// Stream: a connected byte pipe (TCP, Unix socket, TLS, an upgraded HTTP connection, a pipe of a process).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/loop.h"

namespace kobuk::io {

class Stream {
 public:
  virtual ~Stream() = default;  // closes
  // Up to `max` bytes; empty at the end of the stream. One reader at a time.
  virtual Task<Result<std::string>> read(size_t max) = 0;
  // All of it, or an error. One writer at a time; `bytes` must outlive the wait.
  virtual Task<Result<void>> write(std::string_view bytes) = 0;
  // Half-close: the other side reads the end.
  virtual Task<Result<void>> shutdown_write() = 0;
  // A write that makes no progress for this long fails with kTimeout. Zero, and streams that can't: never.
  virtual void set_write_timeout(Duration) {}
  // Cancels pending reads and writes (kCancelled) and closes.
  virtual void close() = 0;
};

// Address: "127.0.0.1:6443", "[::1]:80", "unix:/run/x.sock". Host names are resolved from /etc/hosts and DNS.
Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, std::string address, Duration timeout);
// Takes the descriptor (socket, pipe, pty) and makes it non-blocking.
std::unique_ptr<Stream> adopt_fd(Loop& loop, int fd);

}  // namespace kobuk::io
