// Poller: the monitor's event loop, one epoll and one deadline. Single thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::runtime {

class Poller {
 public:
  using Handler = std::function<void(uint32_t events)>;  // EPOLL*

  Result<void> open();
  // Replaces what was watched before for that descriptor. The handler may unwatch any descriptor.
  Result<void> watch(int fd, uint32_t events, Handler handler);
  bool watched(int fd) const;
  void unwatch(int fd);
  // Calls `expired` once after that time, in place of an earlier deadline.
  void set_deadline(int milliseconds, std::function<void()> expired);
  void run();  // until stop()
  void stop() { stopping_ = true; }

 private:
  sys::UniqueFd epoll_;
  std::vector<std::shared_ptr<Handler>> handlers_;  // by descriptor
  std::function<void()> expired_;
  int64_t deadline_ = -1;  // monotonic milliseconds
  bool stopping_ = false;
};

}  // namespace kobuk::runtime
