// A download and its unpacking at the same time: pieces go in on the loop, a worker feeds them to the ingest on the
// offload pool. A few pieces wait in between; push() waits when they are too many. Internal to image; loop thread only.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "image/layers.h"
#include "io/loop.h"

namespace kobuk::image {

class LayerPipe {
 public:
  LayerPipe(io::Loop& loop, std::shared_ptr<LayerIngest> ingest) : loop_(loop), ingest_(std::move(ingest)), more_(loop), taken_(loop), worker_(loop) {
    worker_.spawn(work());
  }
  // What was not finished is removed, a whole tree, on the pool.
  ~LayerPipe();
  // The ingest's error, once it had one.
  io::Task<Result<void>> push(std::string piece);
  // Waits for all that was pushed, and finishes the ingest.
  io::Task<Result<LayerIngest::Finished>> finish();
  uint64_t accepted() const { return accepted_; }
  bool failed() const { return failed_.has_value(); }

 private:
  static constexpr size_t kBatch = 512 << 10, kMaxWaiting = 4 << 20;
  io::Task<void> work();

  io::Loop& loop_;
  std::shared_ptr<LayerIngest> ingest_;
  std::deque<std::string> waiting_;
  size_t waiting_bytes_ = 0;
  uint64_t accepted_ = 0;
  bool busy_ = false, flushing_ = false;
  std::optional<Error> failed_;
  io::Event more_, taken_;
  io::TaskGroup worker_;  // last: its task uses the members above
};

}  // namespace kobuk::image
