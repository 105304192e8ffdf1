// HTTP/2 peers that no library would make: raw frames (RFC 9113 §4.1) against the server and the client.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/http.h"
#include "io/http2_connection.h"

namespace kobuk::io::http {
namespace {

using namespace std::chrono_literals;

enum FrameType : char { kData = 0, kHeaders = 1, kRstStream = 3, kSettings = 4, kPing = 6, kGoAway = 7, kContinuation = 9 };

std::string number(uint32_t value) {
  std::string out;
  for (int shift : {24, 16, 8, 0}) out.push_back(static_cast<char>(value >> shift));
  return out;
}
std::string frame(FrameType type, int flags, uint32_t stream, std::string payload) {
  std::string size = number(static_cast<uint32_t>(payload.size())).substr(1);
  return size + static_cast<char>(type) + static_cast<char>(flags) + number(stream) + payload;
}
std::string get(uint32_t stream) { return frame(kHeaders, 5, stream, "\x82\x84\x86\x41\x01" "a"); }
std::string post(uint32_t stream) { return frame(kHeaders, 4, stream, "\x83\x84\x86\x41\x01" "a"); }
std::string hello() { return std::string(kHttp2Preface) + frame(kSettings, 0, 0, ""); }

struct Frame {
  int type, flags;
  uint32_t stream;
  std::string payload;
};
std::vector<Frame> frames_of(std::string_view bytes) {
  std::vector<Frame> out;
  auto byte = [&](size_t i) { return static_cast<uint32_t>(static_cast<unsigned char>(bytes[i])); };
  while (bytes.size() >= 9) {
    size_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
    if (bytes.size() < 9 + size) break;
    out.push_back({static_cast<int>(byte(3)), static_cast<int>(byte(4)), byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8), std::string(bytes.substr(9, size))});
    bytes.remove_prefix(9 + size);
  }
  return out;
}
// The error code of the GOAWAY; -1 when there was none.
int goaway_code(const std::vector<Frame>& frames) {
  for (const Frame& f : frames) {
    if (f.type == kGoAway && f.payload.size() >= 8) return static_cast<unsigned char>(f.payload[7]);
  }
  return -1;
}

class Counting final : public Handler {
 public:
  explicit Counting(Loop& loop) : loop_(loop) {}
  Task<Response> handle(Request request) override {
    ++calls;
    most = std::max(most, ++running);
    Event gone(loop_);
    auto registration = request.cancel.on_cancel([&gone] { gone.set(); });
    if (request.method == "POST") {
      auto body = co_await request.body.read_all(1000);
      last = body ? *body : std::string(code_name(body.error().code()));
    } else if (hang) {
      co_await gone.wait();
    }
    --running;
    co_return text_response(200, "done");
  }

 private:
  Loop& loop_;

 public:
  bool hang = false;
  int calls = 0, running = 0, most = 0;
  std::string last;
};

struct Http2Server : testing::Test {
  Loop loop;
  Counting handler{loop};
  std::unique_ptr<Server> server;
  void serve(ServerLimits limits) {
    limits.h2c = true;
    server = std::make_unique<Server>(loop, handler, limits);
    ASSERT_TRUE(server->listen("127.0.0.1:0", nullptr));
  }
  // Sends the bytes and reads until the server closes.
  static Task<std::string> talk(Loop& loop, std::string address, std::string bytes) {
    auto stream = co_await connect(loop, address, 5s);
    if (!stream) co_return stream.error().message();
    TaskGroup writing(loop);
    writing.spawn(write_all(stream->get(), std::move(bytes)));
    std::string all;
    while (true) {
      auto got = co_await (*stream)->read(65536);
      if (!got || got->empty()) co_return all;
      all += *got;
    }
  }
  static Task<void> write_all(Stream* stream, std::string bytes) {
    auto sent = co_await stream->write(bytes);  // may break off: the server closes
  }
  std::vector<Frame> answer(std::string bytes) { return frames_of(loop.run_until_done(talk(loop, cat("127.0.0.1:", server->port()), std::move(bytes)))); }
};

TEST_F(Http2Server, RapidResetEndsTheConnection) {  // CVE-2023-44487
  handler.hang = true;
  serve({});
  std::string bytes = hello();
  for (uint32_t id = 1; id < 20'000; id += 2) bytes += get(id) + frame(kRstStream, 0, id, number(8));
  answer(bytes);
  EXPECT_LE(handler.calls, 1200);
  EXPECT_EQ(handler.running, 0);
}

TEST_F(Http2Server, MoreStreamsThanAllowedAreRefused) {
  handler.hang = true;
  serve({.max_streams = 10});
  std::string bytes = hello() + frame(kSettings, 1, 0, "");
  for (uint32_t id = 1; id < 61; id += 2) bytes += get(id);
  answer(bytes + frame(kGoAway, 0, 0, number(0) + number(0)) + "\xff\xff\xff");
  EXPECT_LE(handler.most, 20);
}

TEST_F(Http2Server, FloodsEndTheConnection) {
  serve({});
  std::string continuations = hello() + frame(kHeaders, 1, 1, "\x82\x84\x86");  // CVE-2024-27316
  for (int i = 0; i < 10'000; ++i) continuations += frame(kContinuation, 0, 1, std::string("\x00\x01" "a\x01" "b", 5));
  std::string pings = hello(), settings = hello(), empties = hello() + post(1);
  for (int i = 0; i < 20'000; ++i) {
    pings += frame(kPing, 0, 0, "12345678");
    settings += frame(kSettings, 0, 0, "");
    empties += frame(kData, 0, 1, "");
  }
  for (const std::string& bytes : {continuations, pings, settings, empties}) answer(bytes);  // it closes, or this waits for ever
  EXPECT_LE(handler.calls, 1);
}

TEST_F(Http2Server, AHeaderThatDoesNotEndEndsTheConnection) {
  serve({.header_timeout = 100ms});
  std::string only_a_head = frame(kHeaders, 5, 1, std::string(100, ' ')).substr(0, 9);
  EXPECT_EQ(goaway_code(answer(hello() + only_a_head)), 0);
  EXPECT_EQ(goaway_code(answer(hello() + frame(kHeaders, 1, 1, "\x82\x84\x86"))), 0) << "no END_HEADERS";
  EXPECT_EQ(handler.calls, 0);
  EXPECT_EQ(goaway_code(answer(hello() + get(1) + frame(kHeaders, 1, 3, "\x82\x84\x86"))), 0) << "after a good one";
  EXPECT_EQ(handler.calls, 1);
}

TEST_F(Http2Server, WhatIsNoHttp2IsRefused) {
  serve({});
  EXPECT_EQ(goaway_code(answer(hello() + frame(kData, 0, 1, "x"))), 1) << "DATA on an idle stream";
  EXPECT_EQ(goaway_code(answer(hello() + frame(kSettings, 0, 0, "abc"))), 6) << "a frame of the wrong size";
  EXPECT_EQ(goaway_code(answer(hello() + frame(kHeaders, 5, 1, "\xff\xff\xff\xff\xff\xff\xff\xff"))), 9) << "broken compression";
  answer(std::string(kHttp2Preface.substr(0, 18)) + "XX\r\n\r\n");
  EXPECT_EQ(handler.calls, 0);
}

TEST_F(Http2Server, QuietConnectionsAreLetGo) {
  serve({.header_timeout = 30ms, .idle_timeout = 50ms});
  EXPECT_EQ(goaway_code(answer(hello())), 0);
  auto frames = answer(hello() + get(1));
  EXPECT_EQ(goaway_code(frames), 0);
  EXPECT_EQ(handler.calls, 1);
}

TEST_F(Http2Server, ABodyThatDoesNotComeIsGivenUp) {
  serve({.idle_timeout = 50ms, .body_timeout = 30ms});
  answer(hello() + post(1) + frame(kData, 0, 1, "some"));
  EXPECT_EQ(handler.last, "Timeout");
}

// Plays a server: what it sends at once to each connection that is made.
class FakeServer {
 public:
  FakeServer(Loop& loop, std::vector<std::string> greetings) : loop_(loop), greetings_(std::move(greetings)), tasks_(loop) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof any;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&any), length), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&any), &length);
    address = cat("127.0.0.1:", ntohs(any.sin_port));
    EXPECT_TRUE(loop_.watch_fd(listener_, Loop::kRead, [this](unsigned) {
      int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd >= 0) tasks_.spawn(play(adopt_fd(loop_, fd), accepted < greetings_.size() ? greetings_[accepted] : ""));
      ++accepted;
    }));
  }
  ~FakeServer() {
    loop_.unwatch_fd(listener_);
    ::close(listener_);
  }
  std::string address;
  size_t accepted = 0;

 private:
  static Task<void> play(std::unique_ptr<Stream> stream, std::string greeting) {
    // The request first, so that the answer to it is no surprise.
    std::string seen;
    while (seen.find("\x01\x05") == std::string::npos && seen.find("\x01\x04") == std::string::npos) {
      auto got = co_await stream->read(4096);
      if (!got || got->empty()) co_return;
      seen += *got;
    }
    auto sent = co_await stream->write(greeting);
    while (sent) {
      auto got = co_await stream->read(4096);
      if (!got || got->empty()) co_return;
    }
  }
  Loop& loop_;
  std::vector<std::string> greetings_;
  int listener_;
  TaskGroup tasks_;
};

Task<std::string> ask(Transport& client, std::string method) {
  Request request;
  request.method = method;
  auto response = co_await client.send(std::move(request));
  if (!response) co_return cat(code_name(response.error().code()), ": ", response.error().message());
  auto body = co_await response->body.read_all(1000);
  co_return body ? cat(response->status, " ", *body) : cat("body ", code_name(body.error().code()));
}

std::string settings() { return frame(kSettings, 0, 0, ""); }
std::string ok() { return settings() + frame(kHeaders, 4, 1, "\x88") + frame(kData, 1, 1, "fine"); }

TEST(Http2Client, WhatTheServerHasNotActedOnIsAskedAgain) {
  Loop loop;
  FakeServer server(loop, {settings() + frame(kGoAway, 0, 0, number(0) + number(0)), settings() + frame(kRstStream, 0, 1, number(7)) + frame(kGoAway, 0, 0, number(1) + number(0)), ok()});
  auto client = make_client(loop, {.address = server.address, .h2c = true});
  EXPECT_EQ(loop.run_until_done(ask(*client, "POST")), "200 fine");
  EXPECT_EQ(server.accepted, 3u);
}

TEST(Http2Client, WhatMayHaveHappenedIsNotAskedAgain) {
  Loop loop;
  FakeServer server(loop, {settings() + frame(kRstStream, 0, 1, number(2)), ok()});
  auto client = make_client(loop, {.address = server.address, .h2c = true});
  EXPECT_TRUE(loop.run_until_done(ask(*client, "POST")).starts_with("Unavailable: "));
  EXPECT_EQ(server.accepted, 1u);
}

TEST(Http2Client, ABodyThatIsCutShortIsAnError) {
  Loop loop;
  FakeServer server(loop, {settings() + frame(kHeaders, 4, 1, "\x88") + frame(kData, 0, 1, "fi") + frame(kRstStream, 0, 1, number(2))});
  auto client = make_client(loop, {.address = server.address, .h2c = true});
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET")), "body Unavailable");
}

TEST(Http2Client, ASilentServerIsGivenUp) {
  Loop loop;
  FakeServer server(loop, {});
  auto client = make_client(loop, {.address = server.address, .h2c = true, .ping_interval = 20ms});
  EXPECT_TRUE(loop.run_until_done(ask(*client, "POST")).starts_with("Unavailable: "));
}

TEST(Http2Client, InformationalAnswersAreReadOver) {
  Loop loop;
  std::string early = frame(kHeaders, 4, 1, std::string("\x08\x03") + "103");  // :status 103
  FakeServer server(loop, {settings() + early + early + frame(kHeaders, 4, 1, "\x88") + frame(kData, 1, 1, "fine")});
  auto client = make_client(loop, {.address = server.address, .h2c = true});
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET")), "200 fine");
}

TEST(Http2Client, AServerThatTalksNonsenseIsAnError) {
  Loop loop;
  FakeServer server(loop, {"HTTP/1.1 400 Bad Request\r\n\r\n"});
  auto client = make_client(loop, {.address = server.address, .h2c = true});
  EXPECT_TRUE(loop.run_until_done(ask(*client, "POST")).starts_with("Unavailable: "));
}

}  // namespace
}  // namespace kobuk::io::http
