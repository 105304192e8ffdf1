// What goes wrong between two programs: peers that vanish, answer twice, or write without reading.
#include <gtest/gtest.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "io/http.h"
#include "io/stream.h"
#include "io/tls_stream.h"

namespace kobuk::io::http {
namespace {

using namespace std::chrono_literals;

// A server that plays lines: each accepted connection answers its n-th request with the n-th text, then closes.
class Script {
 public:
  Script(Loop& loop, std::vector<std::vector<std::string>> connections) : loop_(loop), script_(std::move(connections)), tasks_(loop) {
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
      if (fd < 0) return;
      auto lines = accepted < script_.size() ? script_[accepted] : std::vector<std::string>();
      ++accepted;
      tasks_.spawn(play(adopt_fd(loop_, fd), lines));
    }));
  }
  ~Script() {
    loop_.unwatch_fd(listener_);
    close(listener_);
  }
  std::string address;
  size_t accepted = 0;
  std::vector<std::string> requests;

 private:
  Task<void> play(std::unique_ptr<Stream> stream, std::vector<std::string> lines) {
    for (const std::string& line : lines) {
      std::string head;
      while (head.find("\r\n\r\n") == std::string::npos) {
        auto got = co_await stream->read(4096);
        if (!got || got->empty()) co_return;
        head += *got;
      }
      requests.push_back(head);
      auto sent = co_await stream->write(line);
      if (!sent) co_return;
    }
  }
  Loop& loop_;
  std::vector<std::vector<std::string>> script_;
  int listener_;
  TaskGroup tasks_;
};

std::string ok(std::string body) { return cat("HTTP/1.1 200 OK\r\nContent-Length: ", body.size(), "\r\n\r\n", body); }

Task<std::string> ask(Transport& client, std::string method, std::string target) {
  Request request;
  request.method = method;
  request.target = target;
  auto response = co_await client.send(std::move(request));
  if (!response) co_return cat("error: ", response.error().message());
  auto body = co_await response->body.read_all(1000);
  co_return body ? cat(response->status, " ", *body) : cat("error: ", body.error().message());
}

TEST(ClientFaults, EveryInformationalAnswerIsReadOver) {
  Loop loop;
  Script server(loop, {{"HTTP/1.1 102 Processing\r\n\r\n" + ok("first"), ok("second")}});
  auto client = make_client(loop, {.address = server.address});
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET", "/")), "200 first");
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET", "/")), "200 second");
}

TEST(ClientFaults, BytesAfterAnAnswerDoNotAnswerTheNextRequest) {
  Loop loop;
  Script server(loop, {{ok("mine") + ok("smuggled")}, {ok("own")}});
  auto client = make_client(loop, {.address = server.address});
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET", "/")), "200 mine");
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET", "/")), "200 own");
}

Task<void> two_at_once(Loop& loop, Transport& client, std::vector<std::string>& out) {
  TaskGroup both(loop);
  struct One {
    static Task<void> run(Transport& on, std::vector<std::string>& to) {
      auto answer = co_await ask(on, "GET", "/");
      to.push_back(answer);
    }
  };
  both.spawn(One::run(client, out));
  both.spawn(One::run(client, out));
  co_await both.join();
}

TEST(ClientFaults, ARestartedServerCostsNoRequestHoweverManyConnectionsWereIdle) {
  Loop loop;
  Script server(loop, {{ok("a")}, {ok("b")}, {ok("c")}});
  auto client = make_client(loop, {.address = server.address});
  std::vector<std::string> first;
  loop.run_until_done(two_at_once(loop, *client, first));
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET", "/")), "200 c");
}

TEST(ClientFaults, WhatMayHaveHappenedIsNotAskedForTwice) {
  Loop loop;
  Script server(loop, {{ok("a"), ""}, {ok("twice")}});
  auto client = make_client(loop, {.address = server.address});
  EXPECT_EQ(loop.run_until_done(ask(*client, "GET", "/")), "200 a");
  std::string second = loop.run_until_done(ask(*client, "POST", "/create"));
  EXPECT_TRUE(second.starts_with("error: ")) << second;
}

TEST(ClientFaults, ATargetCannotCarryASecondRequest) {
  Loop loop;
  Script server(loop, {{ok("a")}});
  auto client = make_client(loop, {.address = server.address});
  std::string answer = loop.run_until_done(ask(*client, "GET", "/ HTTP/1.1\r\nHost: a\r\n\r\nGET /x"));
  EXPECT_TRUE(answer.starts_with("error: ")) << answer;
  EXPECT_TRUE(server.requests.empty());
}

TEST(ClientFaults, AnAbandonedConnectGivesItsPlaceBack) {
  Loop loop;
  // A TLS handshake that nobody answers keeps the connect under way.
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof any;
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&any), length), 0);
  ASSERT_EQ(::listen(listener, 16), 0);
  getsockname(listener, reinterpret_cast<sockaddr*>(&any), &length);
  auto context = make_tls_client_context({.insecure_skip_verify = true});
  ASSERT_TRUE(context);
  auto client = make_client(loop, {.address = cat("127.0.0.1:", ntohs(any.sin_port)), .tls = *context, .max_connections = 1, .connect_timeout = 200ms});
  {
    TaskGroup abandoned(loop);
    struct One {
      static Task<void> run(Transport& on) {
        [[maybe_unused]] auto answer = co_await ask(on, "GET", "/");
      }
    };
    abandoned.spawn(One::run(*client));
    auto turn = [](Loop& on) -> Task<void> { co_await on.sleep(20ms); };
    loop.run_until_done(turn(loop));
    EXPECT_EQ(abandoned.running(), 1u);
  }
  std::string answer = "still waiting for a place";
  struct One {
    static Task<void> run(Transport& on, std::string& to, Loop& l) {
      to = co_await ask(on, "GET", "/");
      l.stop();
    }
  };
  TaskGroup second(loop);
  second.spawn(One::run(*client, answer, loop));
  auto guard = loop.start_timer(5s, [&] { loop.stop(); });
  loop.run();
  loop.cancel_timer(guard);
  EXPECT_TRUE(answer.starts_with("error: ")) << answer;
  close(listener);
}

class Waits final : public Handler {
 public:
  explicit Waits(Loop& loop) : loop_(loop), entered(loop), left(loop) {}
  Task<Response> handle(Request request) override {
    if (request.path() == "/quick") co_return text_response(200, "quick");
    auto body = co_await request.body.read_all(1 << 20);
    Event gone(loop_);
    auto registration = request.cancel.on_cancel([&gone] { gone.set(); });
    entered.set();
    co_await gone.wait();
    left.set();
    co_return Response();
  }

 private:
  Loop& loop_;

 public:
  Event entered, left;
};

Task<void> post_and_leave(Loop& loop, std::string address, Waits& handler) {
  auto stream = co_await connect(loop, address, 5s);
  EXPECT_TRUE(stream);
  auto sent = co_await (*stream)->write("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
  EXPECT_TRUE(sent);
  co_await handler.entered.wait();
  (*stream)->close();
  co_await handler.left.wait();
  loop.stop();
}

TEST(ServerFaults, AClientThatLeavesAfterItsBodyIsNoticed) {
  Loop loop;
  Waits handler(loop);
  Server server(loop, handler);
  ASSERT_TRUE(server.listen("127.0.0.1:0", nullptr));
  TaskGroup tasks(loop);
  tasks.spawn(post_and_leave(loop, cat("127.0.0.1:", server.port()), handler));
  auto guard = loop.start_timer(5s, [&] { loop.stop(); });
  loop.run();
  loop.cancel_timer(guard);
  EXPECT_TRUE(handler.left.is_set());
}

TEST(ServerFaults, AFileThatIsNoSocketIsNotReplaced) {
  char path[] = "/tmp/io_file.XXXXXX";
  int fd = mkstemp(path);
  ASSERT_EQ(write(fd, "precious", 8), 8);
  close(fd);
  Loop loop;
  Waits handler(loop);
  {
    Server server(loop, handler);
    EXPECT_FALSE(server.listen(cat("unix:", path), nullptr));
  }
  std::ifstream in(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "precious");
  ::unlink(path);
}

Task<void> idle_beside_busy(Loop& loop, std::string address, Waits& handler, Server& server, std::string& idle_end, std::string& busy_end) {
  auto idle = co_await connect(loop, address, 5s);
  auto sent = co_await (*idle)->write("GET /quick HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(sent);
  auto quick = co_await (*idle)->read(4096);
  EXPECT_TRUE(quick);
  auto busy = co_await connect(loop, address, 5s);
  auto asked = co_await (*busy)->write("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_TRUE(asked);
  co_await handler.entered.wait();
  co_await server.shutdown(50ms);
  auto end = co_await (*idle)->read(4096);
  idle_end = end && end->empty() ? "closed" : "open";
  auto other = co_await (*busy)->read(4096);
  busy_end = other && !other->empty() ? "answered" : "closed";
  loop.stop();
}

TEST(ServerFaults, AfterShutdownNothingIsOpen) {
  Loop loop;
  Waits handler(loop);
  Server server(loop, handler);
  ASSERT_TRUE(server.listen("127.0.0.1:0", nullptr));
  std::string idle_end = "open", busy_end = "open";
  TaskGroup tasks(loop);
  tasks.spawn(idle_beside_busy(loop, cat("127.0.0.1:", server.port()), handler, server, idle_end, busy_end));
  auto guard = loop.start_timer(5s, [&] { loop.stop(); });
  loop.run();
  loop.cancel_timer(guard);
  EXPECT_EQ(idle_end, "closed");
  EXPECT_EQ(busy_end, "closed");
}

// Both sides write 8 MB and read 8 MB at the same time.
struct Side {
  static Task<void> write_all(Stream& stream, std::string bytes) {
    auto done = co_await stream.write(bytes);
    EXPECT_TRUE(done);
  }
  static Task<void> read_all(Stream& stream, size_t total, size_t& got) {
    while (got < total) {
      auto piece = co_await stream.read(16 << 10);
      EXPECT_TRUE(piece);
      if (!piece || piece->empty()) co_return;
      got += piece->size();
    }
  }
};

TEST(TlsFaults, BothSidesMayWriteAtOnce) {
  if (access("/usr/bin/openssl", X_OK) != 0) GTEST_SKIP() << "the openssl program is not installed";
  char dir[] = "/tmp/io_tls.XXXXXX";
  ASSERT_TRUE(mkdtemp(dir));
  ASSERT_EQ(std::system(cat("cd ", dir, " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout k -out c -days 2 -subj /CN=a >log 2>&1").c_str()), 0);
  auto text = [&](std::string name) {
    std::ifstream in(cat(dir, "/", name));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  auto server = make_tls_server_context({.certificate_chain_pem = text("c"), .private_key_pem = text("k")});
  auto client = make_tls_client_context({.insecure_skip_verify = true});
  ASSERT_TRUE(server && client);
  Loop loop;
  int pair[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
  std::unique_ptr<Stream> a, b;
  struct Shake {
    static Task<void> accept(Loop& on, std::unique_ptr<Stream> s, std::shared_ptr<TlsContext> c, std::unique_ptr<Stream>& to) {
      auto done = co_await accept_tls(on, std::move(s), c, 5s);
      EXPECT_TRUE(done);
      if (done) to = std::move(done->stream);
    }
    static Task<void> begin(Loop& on, std::unique_ptr<Stream> s, std::shared_ptr<TlsContext> c, std::unique_ptr<Stream>& to) {
      auto done = co_await connect_tls(on, std::move(s), c, "a", 5s);
      EXPECT_TRUE(done);
      if (done) to = std::move(done->stream);
    }
  };
  TaskGroup tasks(loop);
  tasks.spawn(Shake::accept(loop, adopt_fd(loop, pair[0]), *server, a));
  tasks.spawn(Shake::begin(loop, adopt_fd(loop, pair[1]), *client, b));
  loop.run_until_done(tasks.join());
  ASSERT_TRUE(a && b);
  size_t total = 8 << 20, at_a = 0, at_b = 0;
  {
    TaskGroup traffic(loop);
    traffic.spawn(Side::write_all(*a, std::string(total, 'a')));
    traffic.spawn(Side::write_all(*b, std::string(total, 'b')));
    traffic.spawn(Side::read_all(*a, total, at_a));
    traffic.spawn(Side::read_all(*b, total, at_b));
    auto guard = loop.start_timer(20s, [&] { loop.stop(); });
    auto stop = [](TaskGroup& of, Loop& l) -> Task<void> {
      co_await of.join();
      l.stop();
    };
    TaskGroup waiting(loop);
    waiting.spawn(stop(traffic, loop));
    loop.run();
    loop.cancel_timer(guard);
  }
  EXPECT_EQ(at_a, total);
  EXPECT_EQ(at_b, total);
  std::system(cat("rm -rf ", dir).c_str());
}

struct Owner : std::enable_shared_from_this<Owner> {
  explicit Owner(Loop& loop) : tasks(loop) {}
  void start() { tasks.spawn(run(shared_from_this())); }
  static Task<void> run([[maybe_unused]] std::shared_ptr<Owner> self) { co_return; }
  TaskGroup tasks;
};

TEST(TaskFaults, ATaskMayHoldTheLastReferenceToItsGroupsOwner) {
  Loop loop;
  std::make_shared<Owner>(loop)->start();
  loop.run();
}

}  // namespace
}  // namespace kobuk::io::http
