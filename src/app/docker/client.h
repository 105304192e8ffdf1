// A client of the Docker Engine API (v1.50), for the commands of `kobuk docker`.
//
//   KOBUK_TRY(Client client, Client::open({}));
//   KOBUK_TRY(codec::Document list, client.get_json("/containers/json"));
//
// Calls block: it is the command line's own thread. Errors carry the engine's own message, prefixed as docker does:
// "Error response from daemon: No such container: web".
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/value.h"
#include "io/http.h"
#include "io/loop.h"

namespace kobuk::app::docker {

inline constexpr std::string_view kApi = "/v1.50";

struct Call {
  std::string method = "GET", target;  // target without the version
  std::string body = {}, content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};
// Takes pieces as they come; false ends the call.
using OnPiece = std::function<bool(std::string_view)>;

class Client {
 public:
  // $DOCKER_HOST (a unix:// one), else the profile's socket.
  static Result<Client> open(const std::string& profile);
  io::Loop& loop() { return *loop_; }
  Result<std::string> send(Call call);
  Result<codec::Document> get_json(std::string target);
  Result<void> stream(Call call, OnPiece piece);
  // Sends a file as the body, for load and import, and hands on the answer.
  Result<void> upload(Call call, const std::string& file, OnPiece piece);
  // A hijacked connection: POST with Upgrade: tcp.
  io::Task<Result<std::unique_ptr<io::Stream>>> hijack(std::string target, std::string body);
  io::Task<Result<io::http::Response>> exchange(Call call);
  // The error of an answer of 400 and up, else nothing.
  static io::Task<Result<void>> check(io::http::Response& response);

 private:
  Client(std::unique_ptr<io::Loop> loop, std::string socket);
  Error unreachable(Error error) const;
  Result<void> read_pieces(io::http::Response& response, const OnPiece& piece);
  std::unique_ptr<io::Loop> loop_;  // outlives the transport
  std::string socket_;
  std::unique_ptr<io::http::Transport> transport_;
};

// Output of containers without a terminal comes in frames: kind (1 out, 2 err), three zeros, length (big endian).
class Demultiplexer {
 public:
  using OnOutput = std::function<void(bool is_stderr, std::string_view)>;
  explicit Demultiplexer(OnOutput output) : output_(std::move(output)) {}
  void feed(std::string_view bytes);

 private:
  OnOutput output_;
  std::string header_;
  size_t left_ = 0;  // of the frame that is being read
  bool is_stderr_ = false;
};

// Progress of pulls, pushes and loads: one JSON message a line. On a terminal each layer keeps its line.
class ProgressPrinter {
 public:
  explicit ProgressPrinter(bool quiet) : quiet_(quiet) {}
  void feed(std::string_view bytes);
  // The error that the stream told, if any.
  Result<void> result() const;

 private:
  void show(const codec::Value& message);
  std::string buffer_, error_;
  std::vector<std::string> lines_;  // ids in the order of their lines
  bool quiet_;
};

}  // namespace kobuk::app::docker
