#include "app/docker/client.h"

#include <cstdlib>

#include "app/profile.h"
#include "codec/json.h"
#include "sys/file.h"

namespace kobuk::app::docker {
namespace {

constexpr size_t kMaxAnswer = 64u << 20;
constexpr size_t kPiece = 256u << 10;

// A file, piece by piece.
class FileBody final : public io::http::BodySource {
 public:
  explicit FileBody(sys::UniqueFd fd) : fd_(std::move(fd)) {}
  io::Task<Result<std::string>> next() override {
    std::string out(kPiece, '\0');
    ssize_t got = ::read(fd_.get(), out.data(), out.size());
    if (got < 0) co_return fail_errno(errno, "read");
    out.resize(static_cast<size_t>(got));
    co_return out;
  }

 private:
  sys::UniqueFd fd_;
};

}  // namespace

Client::Client(std::unique_ptr<io::Loop> loop, std::string socket)
    : loop_(std::move(loop)), socket_(std::move(socket)),
      transport_(io::http::make_client(*loop_, {.address = cat("unix:", socket_)})) {}

Result<Client> Client::open(const std::string& profile) {
  const char* host = std::getenv("DOCKER_HOST");
  if (profile.empty() && host != nullptr && *host != '\0') {
    std::string_view address = host;
    if (!address.starts_with("unix://")) return fail(Code::kUnsupported, "DOCKER_HOST ", address, " is no unix:// socket; use docker for it");
    return Client(std::make_unique<io::Loop>(), std::string(address.substr(7)));
  }
  KOBUK_TRY(Profile found, find_profile(profile.empty() ? "default" : profile));
  return Client(std::make_unique<io::Loop>(), found.docker_socket());
}

Error Client::unreachable(Error error) const {
  bool nobody = error.system_errno() == ECONNREFUSED || error.system_errno() == ENOENT;
  if (!nobody) return std::move(error).context("error during connect");
  return Error(Code::kUnavailable, cat("Cannot connect to the Docker daemon at unix://", socket_, ". Is kobuk running? (kobuk start)"));
}

io::Task<Result<io::http::Response>> Client::exchange(Call call) {
  io::http::Request request;
  request.method = std::move(call.method);
  request.target = cat(kApi, call.target);
  request.host = "kobuk";
  for (const auto& [name, value] : call.headers) request.headers.set(name, value);
  if (!call.body.empty()) {
    request.headers.set("Content-Type", call.content_type);
    request.body = io::http::Body(std::move(call.body));
  }
  co_return co_await transport_->send(std::move(request));
}

io::Task<Result<void>> Client::check(io::http::Response& response) {
  if (response.status < 400) co_return Result<void>();
  auto body = co_await response.body.read_all(1 << 20);
  auto document = codec::parse_json(body ? *body : std::string());
  std::string_view message = document ? document->root["message"].as_string() : std::string_view();
  Code code = response.status == 404 ? Code::kNotFound : response.status == 409 ? Code::kConflict : Code::kInternal;
  co_return fail(code, "Error response from daemon: ", message.empty() ? std::string_view("no reason given") : message);
}

Result<std::string> Client::send(Call call) {
  auto response = loop_->run_until_done(exchange(std::move(call)));
  if (!response) return fail(unreachable(std::move(response).error()));
  KOBUK_CHECK(loop_->run_until_done(check(*response)));
  return loop_->run_until_done(response->body.read_all(kMaxAnswer));
}

Result<codec::Document> Client::get_json(std::string target) {
  KOBUK_TRY(std::string body, send({.target = std::move(target)}));
  return codec::parse_json(body, {.max_bytes = kMaxAnswer});
}

Result<void> Client::read_pieces(io::http::Response& response, const OnPiece& piece) {
  KOBUK_CHECK(loop_->run_until_done(check(response)));
  for (;;) {
    KOBUK_TRY(std::string next, loop_->run_until_done(response.body.next()));
    if (next.empty() || !piece(next)) return {};
  }
}

Result<void> Client::stream(Call call, OnPiece piece) {
  auto response = loop_->run_until_done(exchange(std::move(call)));
  if (!response) return fail(unreachable(std::move(response).error()));
  return read_pieces(*response, piece);
}

Result<void> Client::upload(Call call, const std::string& file, OnPiece piece) {
  io::http::Request request;
  request.method = "POST";
  request.target = cat(kApi, call.target);
  request.host = "kobuk";
  request.headers.set("Content-Type", "application/x-tar");
  sys::UniqueFd fd(dup(0));
  if (file != "-") {
    KOBUK_TRY(fd, sys::open_file(file, O_RDONLY));
  }
  request.body = io::http::Body(std::make_unique<FileBody>(std::move(fd)));
  auto response = loop_->run_until_done(transport_->send(std::move(request)));
  if (!response) return fail(unreachable(std::move(response).error()));
  return read_pieces(*response, piece);
}

io::Task<Result<std::unique_ptr<io::Stream>>> Client::hijack(std::string target, std::string body) {
  Call call{.method = "POST", .target = std::move(target), .body = std::move(body)};
  call.headers = {{"Upgrade", "tcp"}, {"Connection", "Upgrade"}};
  auto response = co_await exchange(std::move(call));
  if (!response) co_return fail(unreachable(std::move(response).error()));
  KOBUK_CO_CHECK(co_await check(*response));
  if (!response->upgraded) co_return fail(Code::kInternal, "the engine did not hand over the connection");
  co_return std::move(response->upgraded);
}

}  // namespace kobuk::app::docker
