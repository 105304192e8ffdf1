// An exchange with a registry that may fall silent: given up when nothing has moved for a while. Internal to image.
#pragma once

#include <memory>
#include <optional>

#include "io/loop.h"

namespace kobuk::image {

namespace detail {
template <class T>
io::Task<void> keep_result(io::Task<Result<T>> task, std::shared_ptr<std::optional<Result<T>>> to, io::Event* ended) {
  auto result = co_await std::move(task);
  to->emplace(std::move(result));
  ended->set();
}
}  // namespace detail

// Runs the task; kTimeout when *moved stays the same for `patience`. The task is destroyed then, and with it what it
// waits for.
template <class T>
io::Task<Result<T>> until_stalled(io::Loop& loop, io::Task<Result<T>> task, Duration patience, std::shared_ptr<const uint64_t> moved,
                                  std::string what) {
  auto result = std::make_shared<std::optional<Result<T>>>();
  io::Event wake(loop);
  io::TaskGroup group(loop);
  group.spawn(detail::keep_result(std::move(task), result, &wake));
  uint64_t seen = moved ? *moved : 0;
  while (!*result) {
    io::ScopedTimer timer{loop, loop.start_timer(patience, [&wake] { wake.set(); })};
    co_await wake.wait();
    if (*result) break;
    wake.reset();
    uint64_t now = moved ? *moved : 0;
    if (now == seen) co_return fail(Code::kTimeout, what, ": nothing came for ", std::chrono::duration_cast<std::chrono::seconds>(patience).count(), " s");
    seen = now;
  }
  co_return std::move(**result);
}

}  // namespace kobuk::image
