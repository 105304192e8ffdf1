#include "engine/stream_pipe.h"

namespace kobuk::engine {

void Pipe::put(std::string piece) {
  bytes += piece.size();
  pieces.push_back(std::move(piece));
  changed.set();
}

void Pipe::end(std::optional<Error> why) {
  if (ended) return;
  ended = true;
  error = std::move(why);
  changed.set();
}

io::Task<Result<std::string>> PipeReader::read(size_t max) {
  auto pipe = pipe_;
  auto taken = taken_;
  while (pipe->pieces.empty() && !pipe->ended && !pipe->closed) {
    pipe->changed.reset();
    co_await pipe->changed.wait();
  }
  if (pipe->closed) co_return fail(Code::kCancelled, "the stream is closed");
  if (pipe->pieces.empty() && pipe->error) co_return fail(*pipe->error);
  if (pipe->pieces.empty()) co_return std::string();
  std::string piece = std::move(pipe->pieces.front());
  pipe->pieces.pop_front();
  if (piece.size() > max) pipe->pieces.push_front(piece.substr(max)), piece.resize(max);
  pipe->bytes -= piece.size();
  pipe->changed.set();
  if (taken) taken(piece.size());
  co_return piece;
}

void PipeReader::close() {
  pipe_->closed = true;
  pipe_->changed.set();
}

}  // namespace kobuk::engine
