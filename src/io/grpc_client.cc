// The calling side of gRPC.
#include "io/grpc_wire.h"

namespace kobuk::io::grpc {
namespace {

class RequestBody final : public http::BodySource {
 public:
  explicit RequestBody(std::shared_ptr<Outbox> outbox) : outbox_(std::move(outbox)) {}
  ~RequestBody() override { outbox_->abandon(); }
  Task<Result<std::string>> next() override {
    auto outbox = outbox_;
    auto piece = co_await outbox->take();
    co_return piece;
  }

 private:
  std::shared_ptr<Outbox> outbox_;
};

http::Request make_request(std::string method, const CallOptions& options) {
  http::Request out;
  out.method = "POST";
  out.target = std::move(method);
  out.headers = options.metadata;
  out.headers.set("te", "trailers");
  out.headers.set("content-type", "application/grpc");
  if (options.timeout > Duration{0}) out.headers.set("grpc-timeout", format_timeout(options.timeout));
  return out;
}

Result<void> check_response(const http::Response& response) {
  std::string_view type = response.headers.get("content-type");
  if (response.status == 200 && type.starts_with("application/grpc")) return {};
  Code code = response.status == 401   ? Code::kUnauthenticated
              : response.status == 403 ? Code::kPermissionDenied
              : response.status == 404 ? Code::kUnsupported
                                       : Code::kUnavailable;
  return fail(code, "grpc: the server answered with HTTP status ", response.status, " and content type ", go_quote(type));
}

// Sends and receives in a task of its own, so that the end of the call's time can end it wherever it waits.
class Call final : public ClientStream {
 public:
  Call(Loop& loop, http::Transport& transport, http::Request request, std::shared_ptr<Outbox> outbox, const CallOptions& options)
      : loop_(loop), outbox_(std::move(outbox)), changed_(loop), decoder_(options.max_message_bytes), work_(std::make_unique<TaskGroup>(loop)) {
    work_->spawn(receive(transport, std::move(request)));
    if (options.timeout > Duration{0}) timer_ = loop.start_timer(options.timeout, [this] { time_is_over(); });
  }
  ~Call() override {
    loop_.cancel_timer(timer_);
    if (outbox_) outbox_->end();
  }

  Task<Result<void>> write(std::string message) override {
    auto outbox = outbox_;
    auto done = co_await outbox->write(std::move(message));
    co_return done;
  }
  void close_writes() override { outbox_->end(); }
  Task<Result<std::optional<std::string>>> read() override {
    while (!received_ && !status_) {
      changed_.reset();
      co_await changed_.wait();
    }
    if (received_) {
      auto out = std::exchange(received_, std::nullopt);
      changed_.set();
      co_return out;
    }
    KOBUK_CO_CHECK(*status_);
    co_return std::nullopt;
  }

 private:
  Task<void> receive(http::Transport& transport, http::Request request) {
    auto status = co_await exchange(transport, std::move(request));
    status_ = std::move(status);
    changed_.set();
  }
  Task<Result<void>> exchange(http::Transport& transport, http::Request request) {
    KOBUK_CO_TRY(http::Response response, co_await transport.send(std::move(request)));
    KOBUK_CO_CHECK(check_response(response));
    while (true) {
      KOBUK_CO_TRY(auto message, co_await next_message(response.body, decoder_));
      if (!message) break;
      received_ = std::move(message);
      changed_.set();
      while (received_) {
        changed_.reset();
        co_await changed_.wait();
      }
    }
    http::Headers trailers = response.body.trailers();
    // A response that is a head only carries its status there.
    co_return read_status(response.headers.has("grpc-status") ? response.headers : trailers);
  }
  void time_is_over() {
    timer_ = 0;
    if (status_) return;
    work_ = nullptr;
    status_ = fail(Code::kTimeout, "grpc: the call's time is over");
    changed_.set();
  }

  Loop& loop_;
  std::shared_ptr<Outbox> outbox_;  // null: the request is one message
  Event changed_;
  std::optional<std::string> received_;
  std::optional<Result<void>> status_;
  MessageDecoder decoder_;
  Loop::TimerId timer_ = 0;
  std::unique_ptr<TaskGroup> work_;  // last: its task uses the members above
};

}  // namespace

Task<Result<std::string>> Channel::call(std::string method, std::string request, CallOptions options) {
  http::Request message = make_request(std::move(method), options);
  message.body = http::Body(encode_message(request));
  Call call(*loop_, *transport_, std::move(message), nullptr, options);
  KOBUK_CO_TRY(auto answer, co_await call.read());
  if (!answer) co_return fail(Code::kInternal, "grpc: the call ended without an answer");
  KOBUK_CO_TRY(auto more, co_await call.read());
  if (more) co_return fail(Code::kInternal, "grpc: the call has more than one answer");
  co_return std::move(*answer);
}

std::unique_ptr<ClientStream> Channel::open(std::string method, CallOptions options) {
  auto outbox = std::make_shared<Outbox>(*loop_);
  http::Request request = make_request(std::move(method), options);
  request.body = http::Body(std::make_unique<RequestBody>(outbox));
  return std::make_unique<Call>(*loop_, *transport_, std::move(request), outbox, options);
}

}  // namespace kobuk::io::grpc
