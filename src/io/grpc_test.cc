// Calls between our own two sides; the store's tests call a real gRPC server (etcd).
#include "io/grpc.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace kobuk::io::grpc {
namespace {

using namespace std::chrono_literals;

Task<Result<std::string>> upper(Message message) {
  if (message.bytes == "fail") co_return fail(Code::kAlreadyExists, "it is there: 100 % \n é");
  for (char& c : message.bytes) c = static_cast<char>(std::toupper(c));
  co_return cat(message.bytes, message.metadata.get("x-more"));
}
Task<Result<void>> chat(std::shared_ptr<ServerStream> stream) {
  while (true) {
    KOBUK_CO_TRY(auto message, co_await stream->read());
    if (!message) co_return Result<void>();
    if (*message == "stop") co_return fail(Code::kGone, "stopped");
    KOBUK_CO_CHECK(co_await stream->write("<" + *message));
    KOBUK_CO_CHECK(co_await stream->write(*message + ">"));
  }
}
Task<Result<void>> count(std::shared_ptr<ServerStream> stream) {
  for (int i = 0; i < 20'000; ++i) KOBUK_CO_CHECK(co_await stream->write(cat("message ", i)));
  co_return Result<void>();
}
struct Sleeper {
  Loop& loop;
  int alive = 0;
  Task<Result<void>> sleep([[maybe_unused]] std::shared_ptr<ServerStream> stream) {
    ++alive;
    struct Leave {
      int& alive;
      ~Leave() { --alive; }
    } leave{alive};
    co_await loop.sleep(1h);
    co_return Result<void>();
  }
};

struct GrpcTest : testing::Test {
  Loop loop;
  Sleeper sleeper{loop};
  Service service{loop, 1 << 20};
  std::string folder;
  std::unique_ptr<http::Server> server;
  std::unique_ptr<http::Transport> transport;
  std::unique_ptr<Channel> channel;
  void SetUp() override {
    char name[] = "/tmp/grpc_test.XXXXXX";
    folder = mkdtemp(name);
    service.add("/test.Test/Upper", upper);
    service.add_stream("/test.Test/Chat", chat);
    service.add_stream("/test.Test/Count", count);
    service.add_stream("/test.Test/Sleep", [this](std::shared_ptr<ServerStream> stream) { return sleeper.sleep(std::move(stream)); });
    server = std::make_unique<http::Server>(loop, service, http::ServerLimits{.h2c = true});
    std::string address = cat("unix:", folder, "/s");
    ASSERT_TRUE(server->listen(address, nullptr));
    transport = http::make_client(loop, {.address = address, .h2c = true});
    channel = std::make_unique<Channel>(loop, *transport);
  }
  void TearDown() override {
    transport = nullptr;
    server = nullptr;
    std::filesystem::remove_all(folder);
  }
  std::string call(std::string method, std::string message, CallOptions options = {}) {
    auto done = loop.run_until_done(channel->call(method, message, options));
    return done ? *done : cat(code_name(done.error().code()), ": ", done.error().message());
  }
};

TEST_F(GrpcTest, OneRequestOneAnswer) {
  EXPECT_EQ(call("/test.Test/Upper", "hello"), "HELLO");
  EXPECT_EQ(call("/test.Test/Upper", ""), "");
  CallOptions options;
  options.metadata.set("X-More", "!");
  EXPECT_EQ(call("/test.Test/Upper", "hello", options), "HELLO!");
  std::string big(1 << 20, 'x');
  EXPECT_EQ(call("/test.Test/Upper", big).size(), big.size());
  EXPECT_TRUE(call("/test.Test/Upper", big + "x").starts_with("ResourceExhausted: "));
  EXPECT_EQ(call("/test.Test/Upper", "hello", {.max_message_bytes = 4}), "TooLarge: grpc: a message of 5 bytes is larger than 4");
}

TEST_F(GrpcTest, ErrorsKeepTheirCodesAndTexts) {
  EXPECT_EQ(call("/test.Test/Upper", "fail"), "AlreadyExists: it is there: 100 % \n é");
  EXPECT_EQ(call("/test.Test/None", ""), "Unsupported: unknown method /test.Test/None");
}

Task<std::string> talk(Channel& channel) {
  auto stream = channel.open("/test.Test/Chat");
  std::string all;
  for (std::string word : {"a", "b"}) {
    auto sent = co_await stream->write(word);
    for (int i = 0; i < 2; ++i) {
      auto got = co_await stream->read();
      if (!got || !*got) co_return "ended early";
      all += **got;
    }
  }
  stream->close_writes();
  auto end = co_await stream->read();
  co_return end && !*end ? all : "no good end";
}
Task<std::string> talk_and_stop(Channel& channel) {
  auto stream = channel.open("/test.Test/Chat");
  auto sent = co_await stream->write("stop");
  auto got = co_await stream->read();
  co_return got ? "no error" : cat(code_name(got.error().code()), " ", got.error().message());
}
TEST_F(GrpcTest, StreamsGoBothWays) {
  EXPECT_EQ(loop.run_until_done(talk(*channel)), "<aa><bb>");
  EXPECT_EQ(loop.run_until_done(talk_and_stop(*channel)), "Gone stopped");
}

Task<int> count_all(Channel& channel) {
  auto stream = channel.open("/test.Test/Count");
  stream->close_writes();
  for (int i = 0;; ++i) {
    auto got = co_await stream->read();
    if (!got) co_return -1;
    if (!*got) co_return i;
    if (**got != cat("message ", i)) co_return -2;
  }
}
TEST_F(GrpcTest, LongStreamsKeepTheirOrder) { EXPECT_EQ(loop.run_until_done(count_all(*channel)), 20'000); }

TEST_F(GrpcTest, TimeIsKeptOnBothSides) {
  EXPECT_EQ(call("/test.Test/Sleep", "", {.timeout = 30ms}), "Timeout: grpc: the call's time is over");
  auto until_gone = [](Loop& on, int& alive) -> Task<void> {
    for (int i = 0; i < 400 && alive > 0; ++i) co_await on.sleep(5ms);
  };
  loop.run_until_done(until_gone(loop, sleeper.alive));
  EXPECT_EQ(sleeper.alive, 0);
  CallOptions told;  // the server alone knows
  told.metadata.set("grpc-timeout", "30m");
  EXPECT_EQ(call("/test.Test/Sleep", "", told), "Timeout: the call's time is over");
}

Task<void> leave(Loop& loop, Channel& channel, int& alive) {
  auto stream = channel.open("/test.Test/Sleep");
  auto sent = co_await stream->write("x");
  for (int i = 0; i < 400 && alive == 0; ++i) co_await loop.sleep(5ms);
  EXPECT_EQ(alive, 1);
  stream = nullptr;
  for (int i = 0; i < 400 && alive > 0; ++i) co_await loop.sleep(5ms);
}
TEST_F(GrpcTest, ACallerThatLeavesEndsTheCall) {
  loop.run_until_done(leave(loop, *channel, sleeper.alive));
  EXPECT_EQ(sleeper.alive, 0);
}

TEST_F(GrpcTest, OtherRequestsAreToldSo) {
  auto get = [](http::Transport& to) -> Task<int> {
    http::Request request;
    auto response = co_await to.send(std::move(request));
    co_return response ? response->status : 0;
  };
  EXPECT_EQ(loop.run_until_done(get(*transport)), 415);
}

TEST_F(GrpcTest, AServerThatIsGoneIsUnavailable) {
  server = nullptr;
  EXPECT_TRUE(call("/test.Test/Upper", "x").starts_with("NotFound: connect to"));  // the socket file is gone too
}

TEST(GrpcStatus, CodesComeBack) {
  for (int status = 1; status <= 16; ++status) {
    if (status != 2) EXPECT_EQ(status_of(code_of_status(status)), status);
  }
  EXPECT_EQ(code_of_status(2), Code::kInternal);
  EXPECT_EQ(code_of_status(99), Code::kInternal);
}

}  // namespace
}  // namespace kobuk::io::grpc
