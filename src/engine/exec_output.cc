#include "engine/exec_output.h"

#include <algorithm>

#include "engine/turnstile.h"

namespace kobuk::engine {
namespace {

constexpr size_t kPiece = 32 << 10;
constexpr Duration kPatience = std::chrono::seconds(2);  // for outputs of a process that has ended; dockerd's
constexpr size_t kMostInAPipe = 1 << 20;                 // fs.pipe-max-size: more the process itself can't have left

struct Reading {
  explicit Reading(io::Loop& loop) : changed(loop) {}
  bool ended = false;  // the process has
  int outputs = 0;     // that are being read
  int idle = 0;        // of those, that have nothing to read
  io::Event changed;
};

io::Task<void> read_one(std::shared_ptr<runtime::Exec> exec, bool is_stderr, std::shared_ptr<OutputSink> to, std::shared_ptr<Reading> reading) {
  io::Stream* from = is_stderr ? exec->err() : exec->out();
  size_t after_end = 0;
  for (bool wanted = true; after_end < kMostInAPipe;) {
    ++reading->idle;
    reading->changed.set();
    auto bytes = co_await from->read(kPiece);
    --reading->idle;
    if (!bytes || bytes->empty()) break;
    if (reading->ended) after_end += bytes->size();
    if (wanted) wanted = co_await to->take(is_stderr, *std::move(bytes));
  }
  --reading->outputs;
  reading->changed.set();
}

}  // namespace

io::Task<Result<runtime::ExitStatus>> read_outputs(io::Loop& loop, std::shared_ptr<runtime::Exec> exec, std::shared_ptr<OutputSink> to) {
  auto reading = std::make_shared<Reading>(loop);
  io::TaskGroup readers(loop);
  for (bool is_stderr : {false, true}) {
    if ((is_stderr ? exec->err() : exec->out()) == nullptr) continue;
    ++reading->outputs;
    readers.spawn(read_one(exec, is_stderr, to, reading));
  }
  auto end = co_await exec->wait();
  reading->ended = true;
  Deadline deadline(loop, kPatience, reading->changed);
  // Past the deadline a slow taker is still waited for, an output without anything to read is not.
  while (reading->outputs > 0 && !(deadline.passed() && reading->idle == reading->outputs)) {
    reading->changed.reset();
    co_await reading->changed.wait();
  }
  for (io::Stream* output : {exec->out(), exec->err()})
    if (output != nullptr) output->close();
  co_await readers.join();
  co_return end;
}

}  // namespace kobuk::engine
