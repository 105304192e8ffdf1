#include "controlplane/apiserver/testing/api_fixture.h"

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::controlplane::apiserver::testing {
namespace {

io::Task<Reply> exchange(ApiServer& server, io::http::Request request) {
  auto response = co_await server.handle(std::move(request));
  Reply out{.status = response.status, .headers = response.headers};
  auto body = co_await response.body.read_all(64 << 20);
  if (body) out.body = *std::move(body);
  auto json = codec::parse_json(out.body, out.arena);
  if (json) out.json = *json;
  co_return out;
}

io::Task<io::http::Response> open(ApiServer& server, io::http::Request request) {
  auto response = co_await server.handle(std::move(request));
  co_return response;
}

io::Task<Result<std::string>> next_piece(io::http::Response& response) {
  auto piece = co_await response.body.next();
  co_return piece;
}

io::Task<void> pause(io::Loop& loop) {
  for (int i = 0; i < 8; ++i) co_await loop.yield();
}

}  // namespace

ApiTest::ApiTest() : store_(store::make_memory_store(loop_)) {
  server_ = std::make_unique<ApiServer>(loop_, *store_, ApiServerOptions{.advertise_address = "10.100.0.1"});
  auto started = loop_.run_until_done(server_->start());
  EXPECT_TRUE(started) << started.error().message();
}
ApiTest::~ApiTest() {
  loop_.run_until_done(server_->shutdown());
}

Reply ApiTest::send(std::string method, std::string target, std::string_view body, std::string_view content_type, std::string_view accept) {
  io::http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  if (!body.empty()) request.body = io::http::Body(std::string(body));
  if (!body.empty() && !content_type.empty()) request.headers.set("Content-Type", content_type);
  if (!accept.empty()) request.headers.set("Accept", accept);
  for (const auto& [name, value] : headers_) request.headers.add(name, value);
  request.peer.trusted_user = user_;
  request.peer.trusted_groups = groups_;
  return loop_.run_until_done(exchange(*server_, std::move(request)));
}

ApiTest::WatchReader ApiTest::open_watch(std::string target, std::string_view accept) {
  io::http::Request request;
  request.target = std::move(target);
  if (!accept.empty()) request.headers.set("Accept", accept);
  request.peer.trusted_user = user_;
  request.peer.trusted_groups = groups_;
  return {loop_, loop_.run_until_done(open(*server_, std::move(request)))};
}

std::string ApiTest::WatchReader::next() {
  size_t end;
  while ((end = buffer_.find('\n')) == std::string::npos) {
    auto piece = loop_->run_until_done(next_piece(response_));
    if (!piece) return cat("failed: ", piece.error().message());
    if (piece->empty()) return "end";
    buffer_ += *piece;
  }
  auto json = codec::parse_json(std::string_view(buffer_).substr(0, end), arena_);
  buffer_.erase(0, end + 1);
  if (!json) return "no JSON";
  last_ = *json;
  std::string_view type = last_["type"].as_string();
  const codec::Value& metadata = last_["object"]["metadata"];
  std::string_view what = type == "ERROR" ? last_["object"]["message"].as_string()
                          : type == "BOOKMARK" ? metadata["resourceVersion"].as_string() : metadata["name"].as_string();
  return cat(type, " ", what);
}

void ApiTest::settle() { loop_.run_until_done(pause(loop_)); }

std::string ApiTest::pod(std::string_view name) {
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")", name, R"(","labels":{"app":")", name,
             R"("}},"spec":{"containers":[{"name":"c","image":"nginx"}]}})");
}

std::string ApiTest::deployment(std::string_view name) {
  return cat(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":")", name, R"("},"spec":{"selector":{"matchLabels":{"app":")", name,
             R"("}},"template":{"metadata":{"labels":{"app":")", name, R"("}},"spec":{"containers":[{"name":"c","image":"nginx"}]}}}})");
}

}  // namespace kobuk::controlplane::apiserver::testing
