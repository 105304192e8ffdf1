// kobuk.v1.Streams: see cri_stream_wire.h.
#include "engine/cri_stream_client.h"

#include <algorithm>

#include "engine/stream_pipe.h"
#include "engine/turnstile.h"

namespace kobuk::engine {
namespace {

using wire::FromProcess;
using wire::kStreamPiece;
using wire::kStreamWindow;
using wire::StreamOpen;
using wire::ToProcess;

constexpr size_t kTellEvery = kStreamWindow / 4;

// What the call and everybody who waits for it share.
struct CallState {
  CallState(io::Loop& loop, std::unique_ptr<io::grpc::ClientStream> c)
      : call(std::move(c)), sending(loop), changed(loop), out(std::make_shared<Pipe>(loop)), err(std::make_shared<Pipe>(loop)) {}
  std::unique_ptr<io::grpc::ClientStream> call;
  Turnstile sending;
  io::Event changed;
  std::shared_ptr<Pipe> out, err;
  uint64_t credit = kStreamWindow;     // of the input
  uint64_t taken_out = 0, taken_err = 0;  // not yet told
  std::optional<int32_t> exit;
  bool ended = false;
  std::optional<Error> error;

  Error failure() const { return error ? *error : Error(Code::kUnavailable, "the stream to the engine has ended"); }
};
using StatePtr = std::shared_ptr<CallState>;

io::Task<Result<void>> send(StatePtr state, ToProcess message) {
  auto pass = co_await state->sending.enter();
  if (state->ended) co_return fail(state->failure());
  auto done = co_await state->call->write(wire::encode(message));
  co_return done;
}

io::Task<void> send_unasked(StatePtr state, ToProcess message) {
  auto sent = co_await send(std::move(state), std::move(message));
  (void)sent;  // the reader learns of a call that has failed
}

class RemoteInput final : public io::Stream {
 public:
  explicit RemoteInput(StatePtr state) : state_(std::move(state)) {}
  io::Task<Result<std::string>> read(size_t) override { co_return fail(Code::kUnsupported, "an input can't be read"); }
  io::Task<Result<void>> write(std::string_view bytes) override {
    auto state = state_;
    while (!bytes.empty()) {
      while (state->credit == 0 && !state->ended) {
        state->changed.reset();
        co_await state->changed.wait();
      }
      if (state->ended) co_return fail(state->failure());
      size_t size = std::min<size_t>({bytes.size(), state->credit, kStreamPiece});
      ToProcess message{.in = std::string(bytes.substr(0, size))};
      bytes.remove_prefix(size);
      state->credit -= size;
      KOBUK_CO_CHECK(co_await send(state, std::move(message)));
    }
    co_return Result<void>();
  }
  io::Task<Result<void>> shutdown_write() override {
    ToProcess message{.close_in = true};
    return send(state_, std::move(message));
  }
  void close() override {}

 private:
  StatePtr state_;
};

class RemoteProcess final : public CriProcess {
 public:
  RemoteProcess(io::Loop& loop, StatePtr state, const FromProcess& opened) : state_(std::move(state)), tasks_(loop) {
    if (opened.has_in) in_ = std::make_unique<RemoteInput>(state_);
    if (opened.has_out) out_ = std::make_unique<PipeReader>(state_->out, [this](size_t size) { taken(state_->taken_out, size); });
    if (opened.has_err) err_ = std::make_unique<PipeReader>(state_->err, [this](size_t size) { taken(state_->taken_err, size); });
    tasks_.spawn(receive());
  }
  io::Stream* in() override { return in_.get(); }
  io::Stream* out() override { return out_.get(); }
  io::Stream* err() override { return err_.get(); }
  void close_in() override {
    if (in_ == nullptr) return;
    in_.reset();
    tasks_.spawn(send_unasked(state_, {.close_in = true}));
  }
  Result<void> resize(uint16_t columns, uint16_t rows) override {
    if (state_->ended) return fail(state_->failure());
    tasks_.spawn(send_unasked(state_, {.resize = wire::WindowSize{columns, rows}}));
    return {};
  }
  io::Task<Result<int>> wait() override {
    auto state = state_;
    while (!state->exit && !state->ended) {
      state->changed.reset();
      co_await state->changed.wait();
    }
    if (!state->exit) co_return fail(state->failure());
    co_return *state->exit;
  }

 private:
  void taken(uint64_t& untold, size_t size) {
    untold += size;
    if (untold < kTellEvery || state_->ended) return;
    ToProcess message{.taken_out = std::exchange(state_->taken_out, 0), .taken_err = std::exchange(state_->taken_err, 0)};
    tasks_.spawn(send_unasked(state_, std::move(message)));
  }

  Result<void> take(FromProcess message) {
    put(*state_->out, state_->taken_out, std::move(message.out));
    put(*state_->err, state_->taken_err, std::move(message.err));
    if (state_->out->bytes > kStreamWindow || state_->err->bytes > kStreamWindow) return fail(Code::kInternal, "streams: the engine sent more than the window holds");
    if (message.out_ended) state_->out->end();
    if (message.err_ended) state_->err->end();
    state_->credit = std::min<uint64_t>(state_->credit + message.taken_in, kStreamWindow);
    if (message.exit) state_->exit = message.exit;
    state_->changed.set();
    return {};
  }
  void put(Pipe& pipe, uint64_t& untold, std::string bytes) {
    if (bytes.empty()) return;
    if (pipe.closed) return taken(untold, bytes.size());  // nobody reads it: let it come
    pipe.put(std::move(bytes));
  }

  io::Task<void> receive() {
    while (true) {
      auto bytes = co_await state_->call->read();
      FromProcess message;
      Result<void> good;
      if (!bytes) good = fail(std::move(bytes).error());
      if (good && !*bytes) break;
      if (good) good = wire::decode(**bytes, message);
      if (good) good = take(std::move(message));
      if (!good) {
        state_->error = std::move(good).error();
        break;
      }
    }
    state_->ended = true;
    state_->out->end(state_->error);
    state_->err->end(state_->error);
    state_->changed.set();
  }

  StatePtr state_;
  std::unique_ptr<io::Stream> in_, out_, err_;
  io::TaskGroup tasks_;  // last: its tasks use the members above
};

// A process without an exit code.
class RemoteConnection final : public io::Stream {
 public:
  explicit RemoteConnection(std::unique_ptr<CriProcess> process) : process_(std::move(process)) {}
  io::Task<Result<std::string>> read(size_t max) override { return process_->out()->read(max); }
  io::Task<Result<void>> write(std::string_view bytes) override { return process_->in()->write(bytes); }
  io::Task<Result<void>> shutdown_write() override { return process_->in()->shutdown_write(); }
  void close() override { process_->out()->close(); }

 private:
  std::unique_ptr<CriProcess> process_;
};

}  // namespace

io::Task<Result<std::unique_ptr<CriProcess>>> open_remote_process(io::Loop& loop, io::grpc::Channel& channel, std::string method, StreamOpen open) {
  auto state = std::make_shared<CallState>(loop, channel.open(cat("/kobuk.v1.Streams/", method)));
  ToProcess request{.open = std::move(open)};
  auto sent = co_await send(state, std::move(request));
  (void)sent;  // why it failed is what read() says
  KOBUK_CO_TRY(auto first, co_await state->call->read());
  FromProcess opened;
  if (first) KOBUK_CO_CHECK(wire::decode(*first, opened));
  if (!opened.opened) co_return fail(Code::kInternal, "streams: the engine's first message does not open one");
  co_return std::make_unique<RemoteProcess>(loop, std::move(state), opened);
}

io::Task<Result<std::unique_ptr<io::Stream>>> open_remote_connection(io::Loop& loop, io::grpc::Channel& channel, std::string sandbox, uint16_t port) {
  StreamOpen open{.id = std::move(sandbox), .in = true, .out = true, .port = port};
  KOBUK_CO_TRY(auto process, co_await open_remote_process(loop, channel, "PortForward", std::move(open)));
  if (process->in() == nullptr || process->out() == nullptr) co_return fail(Code::kInternal, "streams: a connection without both directions");
  co_return std::make_unique<RemoteConnection>(std::move(process));
}

}  // namespace kobuk::engine
