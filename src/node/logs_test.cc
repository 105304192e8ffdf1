#include "node/logs.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/strings.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {

constexpr const char* kT1 = "2026-01-02T03:04:05.000000001Z";
constexpr const char* kT2 = "2026-01-02T03:04:06Z";

std::string filter(LogOptions options, std::string_view text, size_t step = 1000) {
  LogFilter filter(std::move(options));
  std::string out;
  for (size_t at = 0; at < text.size(); at += step) filter.feed(text.substr(at, step), out);
  return out;
}

TEST(Logs, ReadRecords) {
  auto record = parse_log_record(cat(kT1, " stdout F hello world"));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->text, "hello world");
  EXPECT_EQ(record->stream, "stdout");
  EXPECT_FALSE(record->partial);
  EXPECT_TRUE(parse_log_record(cat(kT1, " stderr P:x part"))->partial);
  EXPECT_EQ(parse_log_record(cat(kT1, " stdout F "))->text, "");
  EXPECT_EQ(parse_log_record(cat(kT1, " stdout F"))->text, "");
  for (const char* bad : {"", "x", "x stdout", "x stdlog F y", "x stdout Q y", "   "}) EXPECT_FALSE(parse_log_record(bad)) << bad;
}

TEST(Logs, FilterThem) {
  std::string log = cat(kT1, " stdout F one\n", kT1, " stderr P two \n", kT2, " stderr F halves\nrubbish\n", kT2, " stdout F end\n");
  for (size_t step : {1, 3, 1000}) {
    EXPECT_EQ(filter({}, log, step), "one\ntwo halves\nend\n");
    EXPECT_EQ(filter({.timestamps = true}, log, step), cat(kT1, " one\n", kT1, " two halves\n", kT2, " end\n"));
    EXPECT_EQ(filter({.limit_bytes = 6}, log, step), "one\ntw");
    EXPECT_EQ(filter({.stream = "stdout"}, log, step), "one\nend\n");
    EXPECT_EQ(filter({.since = parse_rfc3339(kT2)}, log, step), "halves\nend\n");
  }
}

TEST(Logs, ReadOptions) {
  WallTime now{std::chrono::seconds(1000)};
  auto parse = [&](std::string_view text) { return parse_log_options(*io::http::parse_query(text), now); };
  auto options = parse("follow=true&tailLines=5&timestamps=true&sinceSeconds=10&limitBytes=7&previous=false");
  ASSERT_TRUE(options);
  EXPECT_TRUE(options->follow && options->timestamps && !options->previous);
  EXPECT_EQ(options->tail_lines, 5);
  EXPECT_EQ(options->limit_bytes, 7);
  EXPECT_EQ(options->since, now - std::chrono::seconds(10));
  EXPECT_FALSE(parse("tailLines=-1"));
  EXPECT_FALSE(parse("tailLines=x"));
  EXPECT_FALSE(parse("limitBytes=0"));
  EXPECT_FALSE(parse("sinceTime=yesterday"));
  EXPECT_EQ(parse("sinceTime=2026-01-02T03:04:06Z&sinceSeconds=1").error().message(),
            "at most one of `sinceTime` or `sinceSeconds` may be specified");
}

class LogFiles : public ::testing::Test {
 protected:
  LogFiles() {
    char name[] = "/tmp/kobuk-logs-XXXXXX";
    root = mkdtemp(name);
    path = root + "/0.log";
  }
  ~LogFiles() override { EXPECT_TRUE(sys::remove_tree(root)); }
  static std::string lines(int from, int to) {
    std::string out;
    for (int i = from; i <= to; ++i) cat_to(out, kT1, " stdout F ", i, "\n");
    return out;
  }
  void append(const std::string& text) {
    auto fd = sys::open_file(path, O_WRONLY | O_CREAT | O_APPEND);
    ASSERT_TRUE(fd);
    EXPECT_TRUE(sys::write_all(fd->get(), text, path));
  }
  static io::Task<std::string> read_all(std::shared_ptr<io::http::BodySource> source) {
    std::string out;
    while (true) {
      auto piece = co_await source->next();
      if (!piece || piece->empty()) co_return out;
      out += *piece;
    }
  }
  static io::Task<std::string> read_some(std::shared_ptr<io::http::BodySource> source) {
    auto piece = co_await source->next();
    co_return piece.value_or("error");
  }
  std::shared_ptr<io::http::BodySource> open(LogOptions options) {
    auto body = open_log(loop, path, std::move(options), {[this] { return running; }, changed});
    EXPECT_TRUE(body);
    return std::shared_ptr<io::http::BodySource>(*std::move(body));
  }
  std::string read(LogOptions options) { return loop.run_until_done(read_all(open(std::move(options)))); }

  io::Loop loop;
  std::string root, path;
  bool running = true;
  std::shared_ptr<io::Event> changed = std::make_shared<io::Event>(loop);
};

TEST_F(LogFiles, AreReadInTheOrderOfTheirRotation) {
  ASSERT_TRUE(sys::write_file(path + ".2", lines(1, 2)));
  ASSERT_TRUE(sys::write_file(path + ".1", lines(3, 4)));
  ASSERT_TRUE(sys::write_file(path, lines(5, 6)));
  EXPECT_EQ(read({}), "1\n2\n3\n4\n5\n6\n");
  EXPECT_EQ(read({.tail_lines = 1}), "6\n");
  EXPECT_EQ(read({.tail_lines = 2}), "5\n6\n");
  EXPECT_EQ(read({.tail_lines = 3}), "4\n5\n6\n");
  EXPECT_EQ(read({.tail_lines = 5}), "2\n3\n4\n5\n6\n");
  EXPECT_EQ(read({.tail_lines = 60}), "1\n2\n3\n4\n5\n6\n");
  EXPECT_EQ(read({.tail_lines = 0}), "");
  EXPECT_EQ(last_log_lines(path, 1, 100), "6\n");
}

TEST_F(LogFiles, TailOverManyChunks) {
  std::string many = lines(1, 20'000);
  ASSERT_TRUE(sys::write_file(path, many));
  std::string last = read({.tail_lines = 15'000});
  EXPECT_TRUE(last.starts_with("5001\n")) << last.substr(0, 20);
  EXPECT_TRUE(last.ends_with("20000\n"));
}

TEST_F(LogFiles, AreFollowedOverRotationsUntilTheContainerEnds) {
  append(lines(1, 1));
  auto source = open({.follow = true});
  EXPECT_EQ(loop.run_until_done(read_some(source)), "1\n");
  append(lines(2, 2));
  EXPECT_EQ(loop.run_until_done(read_some(source)), "2\n");
  append(lines(3, 3));
  ASSERT_EQ(::rename(path.c_str(), (path + ".1").c_str()), 0);
  append(lines(4, 4));
  EXPECT_EQ(loop.run_until_done(read_some(source)), "3\n");
  EXPECT_EQ(loop.run_until_done(read_some(source)), "4\n");
  append(lines(5, 5));
  running = false;
  changed->set();
  EXPECT_EQ(loop.run_until_done(read_all(source)), "5\n");
}

}  // namespace
}  // namespace kobuk::node
