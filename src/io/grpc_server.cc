// The answering side of gRPC.
#include "io/grpc_wire.h"

namespace kobuk::io::grpc {
namespace {

class ServerCall final : public ServerStream {
 public:
  ServerCall(Loop& loop, http::Request request, size_t max) : request_(std::move(request)), decoder_(max), outbox_(loop) {
    chained_ = request_.cancel.on_cancel([this] { cancel_.cancel(); });
  }
  const std::string& method() const override { return request_.target; }
  const http::Headers& metadata() const override { return request_.headers; }
  const http::Peer& peer() const override { return request_.peer; }
  CancelToken cancel() const override { return cancel_.token(); }
  Task<Result<std::optional<std::string>>> read() override {
    auto message = co_await next_message(request_.body, decoder_);
    co_return message;
  }
  Task<Result<void>> write(std::string message) override {
    auto done = co_await outbox_.write(std::move(message));
    co_return done;
  }
  Outbox& outbox() { return outbox_; }
  void cancel_now() { cancel_.cancel(); }

 private:
  http::Request request_;
  MessageDecoder decoder_;
  Outbox outbox_;
  CancelSource cancel_;
  CancelToken::Registration chained_;
};

// Runs the call and carries what it writes. Destroyed when the caller goes away, and the call with it.
class Answer final : public http::BodySource {
 public:
  Answer(Loop& loop, StreamFn run, std::shared_ptr<ServerCall> call, std::optional<Duration> timeout)
      : loop_(loop), call_(std::move(call)), work_(std::make_unique<TaskGroup>(loop)) {
    work_->spawn(run_call(std::move(run)));
    if (timeout) timer_ = loop.start_timer(*timeout, [this] { time_is_over(); });
  }
  ~Answer() override {
    loop_.cancel_timer(timer_);
    call_->outbox().abandon();
  }
  Task<Result<std::string>> next() override {
    auto piece = co_await call_->outbox().take();
    co_return piece;
  }
  http::Headers trailers() override { return write_status(status_); }

 private:
  Task<void> run_call(StreamFn run) {
    auto status = co_await run(call_);
    end(std::move(status));
  }
  void time_is_over() {
    timer_ = 0;
    if (call_->outbox().ended()) return;
    call_->cancel_now();
    work_ = nullptr;
    end(fail(Code::kTimeout, "the call's time is over"));
  }
  void end(Result<void> status) {
    status_ = std::move(status);
    call_->outbox().end();
  }

  Loop& loop_;
  std::shared_ptr<ServerCall> call_;
  Result<void> status_;
  Loop::TimerId timer_ = 0;
  std::unique_ptr<TaskGroup> work_;  // last: its task uses the members above
};

Task<Result<void>> answer_unary(UnaryFn answer, std::shared_ptr<ServerStream> stream) {
  KOBUK_CO_TRY(auto request, co_await stream->read());
  if (!request) co_return fail(Code::kInvalid, "grpc: the request holds no message");
  KOBUK_CO_TRY(auto more, co_await stream->read());
  if (more) co_return fail(Code::kInvalid, "grpc: the request holds more than one message");
  Message message{std::move(*request), stream->metadata(), stream->peer(), stream->cancel()};
  KOBUK_CO_TRY(std::string reply, co_await answer(std::move(message)));
  auto written = co_await stream->write(std::move(reply));
  co_return written;
}

Task<Result<void>> refuse_unknown(std::shared_ptr<ServerStream> stream) { co_return fail(Code::kUnsupported, "unknown method ", stream->method()); }

}  // namespace

void Service::add(std::string method, UnaryFn answer) {
  methods_[std::move(method)] = [answer = std::move(answer)](std::shared_ptr<ServerStream> stream) { return answer_unary(answer, std::move(stream)); };
}
void Service::add_stream(std::string method, StreamFn answer) { methods_[std::move(method)] = std::move(answer); }

Task<http::Response> Service::handle(http::Request request) {
  bool grpc = request.method == "POST" && request.headers.get("content-type").starts_with("application/grpc");
  if (!grpc && fallback_ != nullptr) {
    auto other = co_await fallback_->handle(std::move(request));
    co_return other;
  }
  if (!grpc) co_return http::text_response(415, "this address speaks gRPC only\n");
  http::Response out;
  out.headers.set("content-type", "application/grpc");
  auto timeout = parse_timeout(request.headers.get("grpc-timeout"));
  auto method = methods_.find(request.path());
  StreamFn run = method == methods_.end() ? StreamFn(refuse_unknown) : method->second;
  auto call = std::make_shared<ServerCall>(loop_, std::move(request), max_message_bytes_);
  out.body = http::Body(std::make_unique<Answer>(loop_, std::move(run), std::move(call), timeout));
  co_return out;
}

}  // namespace kobuk::io::grpc
