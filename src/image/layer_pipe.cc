#include "image/layer_pipe.h"

namespace kobuk::image {
namespace {

// Whoever lets go of an ingest last removes what it made; none of those here may do it on the loop.
io::Task<void> let_go(io::Loop& loop, std::shared_ptr<LayerIngest> ingest) {
  auto drop = [ingest = std::move(ingest)]() mutable { ingest.reset(); };
  co_await loop.offload("drop layer", std::move(drop));
}

}  // namespace

LayerPipe::~LayerPipe() { loop_.spawn(let_go(loop_, std::move(ingest_))); }

io::Task<void> LayerPipe::work() {
  while (!failed_) {
    // Small pieces are worth no trip to the pool.
    bool enough = waiting_bytes_ >= kBatch || (flushing_ && !waiting_.empty());
    if (!enough) {
      more_.reset();
      co_await more_.wait();
      continue;
    }
    busy_ = true;
    auto feed = [ingest = ingest_, pieces = std::move(waiting_)]() mutable -> Result<void> {
      std::shared_ptr<LayerIngest> to = std::move(ingest);  // let go of on this thread
      for (const std::string& piece : pieces) KOBUK_CHECK(to->feed(piece));
      return {};
    };
    waiting_.clear();
    waiting_bytes_ = 0;
    taken_.set();
    auto fed = co_await loop_.offload("unpack layer", std::move(feed));
    busy_ = false;
    if (!fed) failed_ = std::move(fed).error();
    taken_.set();
  }
}

io::Task<Result<void>> LayerPipe::push(std::string piece) {
  while (waiting_bytes_ >= kMaxWaiting && !failed_) {
    taken_.reset();
    co_await taken_.wait();
  }
  if (failed_) co_return fail(*failed_);
  accepted_ += piece.size();
  waiting_bytes_ += piece.size();
  waiting_.push_back(std::move(piece));
  if (waiting_bytes_ >= kBatch) more_.set();
  co_return Result<void>();
}

io::Task<Result<LayerIngest::Finished>> LayerPipe::finish() {
  flushing_ = true;
  more_.set();
  while ((busy_ || !waiting_.empty()) && !failed_) {
    taken_.reset();
    co_await taken_.wait();
  }
  if (failed_) co_return fail(*failed_);
  auto finish = [ingest = ingest_]() mutable {
    std::shared_ptr<LayerIngest> to = std::move(ingest);
    return to->finish();
  };
  auto finished = co_await loop_.offload("finish layer", std::move(finish));
  co_return finished;
}

}  // namespace kobuk::image
