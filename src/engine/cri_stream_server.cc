// kobuk.v1.Streams: see cri_stream_wire.h.
#include "engine/cri_stream_server.h"

#include <algorithm>

#include "engine/cri_stream_wire.h"
#include "engine/stream_pipe.h"
#include "engine/turnstile.h"

namespace kobuk::engine {
namespace {

using io::grpc::ServerStream;
using wire::FromProcess;
using wire::kStreamPiece;
using wire::kStreamWindow;
using wire::StreamOpen;
using wire::ToProcess;

// A connection into a sandbox as if it were a process with an input and an output.
class Connection final : public CriProcess {
 public:
  explicit Connection(std::unique_ptr<io::Stream> stream) : stream_(std::move(stream)) {}
  io::Stream* in() override { return stream_.get(); }
  io::Stream* out() override { return stream_.get(); }
  io::Stream* err() override { return nullptr; }
  void close_in() override {}
  Result<void> resize(uint16_t, uint16_t) override { return fail(Code::kInvalid, "a connection has no terminal"); }
  io::Task<Result<int>> wait() override { co_return fail(Code::kUnsupported, "a connection has no exit code"); }

 private:
  std::unique_ptr<io::Stream> stream_;
};

// Carries one process' streams. Destroyed with the call, and the process' streams with it.
class Session {
 public:
  Session(io::Loop& loop, std::shared_ptr<ServerStream> call, std::unique_ptr<CriProcess> process, bool exits)
      : call_(std::move(call)), process_(std::move(process)), exits_(exits), sending_(loop), changed_(loop), input_(std::make_shared<Pipe>(loop)), tasks_(loop) {}

  // Until the process and its outputs have ended; of a connection: until both sides have said their last.
  io::Task<Result<void>> run() {
    FromProcess opened{.opened = true, .has_in = process_->in() != nullptr, .has_out = process_->out() != nullptr, .has_err = process_->err() != nullptr};
    KOBUK_CO_CHECK(co_await send(std::move(opened)));
    tasks_.spawn(read_requests());
    if (exits_) begin(await_exit());
    if (process_->in() != nullptr && exits_) tasks_.spawn(feed());
    if (process_->in() != nullptr && !exits_) begin(feed());
    if (process_->out() != nullptr) begin(carry(process_->out(), false));
    if (process_->err() != nullptr) begin(carry(process_->err(), true));
    while (running_ > 0 && !failure_) {
      changed_.reset();
      co_await changed_.wait();
    }
    if (failure_) co_return fail(*failure_);
    co_return Result<void>();
  }

 private:
  void begin(io::Task<void> part) {
    ++running_;
    tasks_.spawn(count(std::move(part)));
  }
  io::Task<void> count(io::Task<void> part) {
    co_await std::move(part);
    --running_;
    changed_.set();
  }
  void fail_with(Error error) {
    if (!failure_) failure_ = std::move(error);
    changed_.set();
  }

  io::Task<Result<void>> send(FromProcess message) {
    auto pass = co_await sending_.enter();
    auto done = co_await call_->write(wire::encode(message));
    co_return done;
  }

  io::Task<void> read_requests() {
    while (true) {
      auto bytes = co_await call_->read();
      if (!bytes || !*bytes) break;
      ToProcess request;
      auto good = wire::decode(**bytes, request);
      if (good) good = take(std::move(request));
      if (!good) {
        fail_with(std::move(good).error());
        co_return;
      }
    }
    input_->end();
  }

  Result<void> take(ToProcess request) {
    if (input_->bytes + request.in.size() > kStreamWindow) return fail(Code::kInvalid, "streams: more input than the window holds");
    if (!request.in.empty() && !input_->closed) input_->put(std::move(request.in));
    if (request.close_in) input_->end();
    credit_[0] = std::min<uint64_t>(credit_[0] + request.taken_out, kStreamWindow);
    credit_[1] = std::min<uint64_t>(credit_[1] + request.taken_err, kStreamWindow);
    changed_.set();
    if (!request.resize) return {};
    auto resized = process_->resize(static_cast<uint16_t>(request.resize->columns), static_cast<uint16_t>(request.resize->rows));
    (void)resized;  // it has just ended: nothing is left to resize
    return {};
  }

  // Hands the input on as fast as the process takes it.
  io::Task<void> feed() {
    PipeReader reader(input_);
    while (true) {
      auto piece = co_await reader.read(kStreamPiece);
      if (!piece || piece->empty()) break;
      auto written = co_await process_->in()->write(*piece);
      if (!written) co_return;  // nobody reads it any more
      FromProcess taken{.taken_in = piece->size()};
      auto told = co_await send(std::move(taken));
      if (!told) co_return;
    }
    if (!exits_) auto ended = co_await process_->in()->shutdown_write();
    process_->close_in();
  }

  io::Task<void> carry(io::Stream* from, bool is_err) {
    uint64_t& credit = credit_[is_err ? 1 : 0];
    while (true) {
      while (credit == 0) {
        changed_.reset();
        co_await changed_.wait();
      }
      auto piece = co_await from->read(std::min<size_t>(kStreamPiece, credit));
      if (!piece && !exits_) fail_with(std::move(piece).error());
      if (!piece || piece->empty()) break;
      credit -= piece->size();
      FromProcess message;
      (is_err ? message.err : message.out) = std::move(*piece);
      auto sent = co_await send(std::move(message));
      if (!sent) co_return;
    }
    FromProcess end;
    (is_err ? end.err_ended : end.out_ended) = true;
    auto told = co_await send(std::move(end));
  }

  io::Task<void> await_exit() {
    auto code = co_await process_->wait();
    if (!code) {
      fail_with(std::move(code).error());
      co_return;
    }
    FromProcess ended{.exit = *code};
    auto told = co_await send(std::move(ended));
  }

  std::shared_ptr<ServerStream> call_;
  std::unique_ptr<CriProcess> process_;
  bool exits_;
  Turnstile sending_;
  io::Event changed_;
  std::shared_ptr<Pipe> input_;
  uint64_t credit_[2] = {kStreamWindow, kStreamWindow};
  int running_ = 0;
  std::optional<Error> failure_;
  io::TaskGroup tasks_;  // last: its tasks use the members above
};

enum class Kind : uint8_t { kExec, kAttach, kPortForward };

io::Task<Result<std::unique_ptr<CriProcess>>> open_process(Cri& cri, Kind kind, StreamOpen open) {
  if (kind == Kind::kPortForward) {
    if (open.port == 0 || open.port > 65535) co_return fail(Code::kInvalid, "port ", open.port, " is no port");
    KOBUK_CO_TRY(auto stream, co_await cri.port_forward(open.id, static_cast<uint16_t>(open.port)));
    co_return std::make_unique<Connection>(std::move(stream));
  }
  if (kind == Kind::kAttach) {
    auto attached = co_await cri.attach(open.id, open.tty, open.in, open.out, open.err);
    co_return attached;
  }
  auto started = co_await cri.exec(open.id, open.command, open.tty, open.in, open.out, open.err);
  co_return started;
}

io::Task<Result<void>> serve(io::Loop& loop, Cri& cri, Kind kind, std::shared_ptr<ServerStream> call) {
  KOBUK_CO_TRY(auto first, co_await call->read());
  ToProcess request;
  if (first) KOBUK_CO_CHECK(wire::decode(*first, request));
  if (!request.open) co_return fail(Code::kInvalid, "streams: the first message does not open one");
  KOBUK_CO_TRY(auto process, co_await open_process(cri, kind, std::move(*request.open)));
  Session session(loop, std::move(call), std::move(process), kind != Kind::kPortForward);
  auto ended = co_await session.run();
  co_return ended;
}

}  // namespace

void add_stream_methods(io::grpc::Service& service, io::Loop& loop, Cri& cri) {
  auto add = [&](std::string method, Kind kind) {
    service.add_stream(std::move(method), [&loop, &cri, kind](std::shared_ptr<ServerStream> call) { return serve(loop, cri, kind, std::move(call)); });
  };
  add("/kobuk.v1.Streams/Exec", Kind::kExec);
  add("/kobuk.v1.Streams/Attach", Kind::kAttach);
  add("/kobuk.v1.Streams/PortForward", Kind::kPortForward);
}

}  // namespace kobuk::engine
