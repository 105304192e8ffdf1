// Pipe: bytes that one task has and another reads, bounded by whoever puts them in. Loop thread only. Internal to the room.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "io/stream.h"

namespace kobuk::engine {

constexpr size_t kPipeBytes = 256 << 10;

struct Pipe {
  explicit Pipe(io::Loop& loop) : changed(loop) {}
  void put(std::string piece);
  void end(std::optional<Error> why = {});  // nothing more comes

  std::deque<std::string> pieces;
  size_t bytes = 0;
  bool ended = false;
  bool closed = false;         // nobody reads
  std::optional<Error> error;  // what the reader gets in the end's place
  io::Event changed;
};

// The reading end. `taken` is told how many bytes have been read.
class PipeReader final : public io::Stream {
 public:
  explicit PipeReader(std::shared_ptr<Pipe> pipe, std::function<void(size_t)> taken = {}) : pipe_(std::move(pipe)), taken_(std::move(taken)) {}
  ~PipeReader() override { close(); }
  io::Task<Result<std::string>> read(size_t max) override;
  io::Task<Result<void>> write(std::string_view) override { co_return fail(Code::kUnsupported, "an output can't be written to"); }
  io::Task<Result<void>> shutdown_write() override { co_return Result<void>(); }
  void close() override;

 private:
  std::shared_ptr<Pipe> pipe_;
  std::function<void(size_t)> taken_;
};

}  // namespace kobuk::engine
