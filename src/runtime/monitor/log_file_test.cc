#include "runtime/monitor/log_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "sys/file.h"

namespace kobuk::runtime {
namespace {

const WallTime kNow{std::chrono::seconds{1'700'000'000} + std::chrono::nanoseconds{120'000'000}};

class LogFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/kobuk-log-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    directory_ = name;
  }
  void TearDown() override { (void)sys::remove_tree(directory_); }
  LogConfig config(LogFormat format, uint64_t max_bytes = 0, uint32_t max_files = 1) const {
    return {format, directory_ + "/log", max_bytes, max_files};
  }
  std::string text(std::string_view suffix = "") const {
    return sys::read_file(cat(directory_, "/log", suffix)).value_or("absent");
  }
  std::string directory_;
};

TEST_F(LogFileTest, WritesJsonAsDockerDoes) {
  LogFile log(config(LogFormat::kJsonFile));
  ASSERT_TRUE(log.open().has_value());
  ASSERT_TRUE(
      log.write(LogStream::kStdout, "a \"b\" \\ <&> \t\x01\xe2\x80\xa8\xff\xc3\xa9\nnext", kNow).has_value());
  ASSERT_TRUE(log.write(LogStream::kStderr, "err\n", kNow).has_value());
  ASSERT_TRUE(log.write(LogStream::kStdout, " part\r\n", kNow).has_value());
  EXPECT_EQ(text(), R"({"log":"a \"b\" \\ \u003c\u0026\u003e \u0009\u0001\u2028\ufffd)"
                    "\xc3\xa9"
                    R"(\n","stream":"stdout","time":"2023-11-14T22:13:20.12Z"}
{"log":"err\n","stream":"stderr","time":"2023-11-14T22:13:20.12Z"}
{"log":"next part\r\n","stream":"stdout","time":"2023-11-14T22:13:20.12Z"}
)");
}

TEST_F(LogFileTest, WritesCriLines) {
  LogFile log(config(LogFormat::kCri));
  ASSERT_TRUE(log.open().has_value());
  ASSERT_TRUE(log.write(LogStream::kStdout, "one\n\ntwo\nrest", kNow).has_value());
  ASSERT_TRUE(log.finish(kNow).has_value());
  EXPECT_EQ(text(),
            "2023-11-14T22:13:20.120000000Z stdout F one\n2023-11-14T22:13:20.120000000Z stdout F \n"
            "2023-11-14T22:13:20.120000000Z stdout F two\n2023-11-14T22:13:20.120000000Z stdout F rest\n");
}

TEST_F(LogFileTest, SplitsLongLinesAndJoinsShortPieces) {
  LogFile log(config(LogFormat::kCri));
  ASSERT_TRUE(log.open().has_value());
  std::string line(40'000, 'x');
  ASSERT_TRUE(log.write(LogStream::kStdout, line + "\n", kNow).has_value());
  std::string exact(LogFile::kMaxLine, 'y');
  for (char c : exact + "\n")
    ASSERT_TRUE(log.write(LogStream::kStdout, std::string_view(&c, 1), kNow).has_value());
  std::string all = text();
  all.pop_back();
  auto lines = split(all, '\n');
  std::vector<std::pair<char, size_t>> found;
  for (std::string_view l : lines) found.emplace_back(l[38], l.size() - 40);
  std::vector<std::pair<char, size_t>> expected = {
      {'P', 16384}, {'P', 16384}, {'F', 40'000 - 2 * 16384}, {'P', 16384}, {'F', 0}};
  // A line of exactly the bound, byte by byte, is cut before its line feed is seen.
  EXPECT_EQ(found, expected);
}

TEST_F(LogFileTest, MarksWhatHasNoLineFeed) {
  LogFile log(config(LogFormat::kJsonFile));
  ASSERT_TRUE(log.open().has_value());
  ASSERT_TRUE(log.write(LogStream::kStdout, "prompt> ", kNow).has_value());
  EXPECT_EQ(text(), "");
  ASSERT_TRUE(log.finish(kNow).has_value());
  EXPECT_EQ(text(),
            "{\"log\":\"prompt\\u003e \",\"stream\":\"stdout\",\"time\":\"2023-11-14T22:13:20.12Z\"}\n");
}

TEST_F(LogFileTest, RotatesBetweenLines) {
  LogFile log(config(LogFormat::kCri, 120, 3));
  ASSERT_TRUE(log.open().has_value());
  for (int i = 0; i < 9; ++i)
    ASSERT_TRUE(log.write(LogStream::kStdout, cat("line ", i, '\n'), kNow).has_value());
  auto numbers = [&](std::string_view suffix) {
    std::string content = text(suffix), out;
    for (std::string_view l : split(trim(content), '\n')) out += l.back();
    return out;
  };
  // 47 bytes a line: two to a file, and no more than three files.
  EXPECT_EQ(numbers(""), "8");
  EXPECT_EQ(numbers(".1"), "67");
  EXPECT_EQ(numbers(".2"), "45");
  EXPECT_FALSE(sys::exists(directory_ + "/log.3"));
}

TEST_F(LogFileTest, StartsAgainWhenOneFileIsKept) {
  LogFile log(config(LogFormat::kCri, 100, 1));
  ASSERT_TRUE(log.open().has_value());
  for (int i = 0; i < 5; ++i)
    ASSERT_TRUE(log.write(LogStream::kStdout, cat("line ", i, '\n'), kNow).has_value());
  EXPECT_EQ(text().substr(text().size() - 7), "line 4\n");
  EXPECT_LE(text().size(), 100u);
  EXPECT_FALSE(sys::exists(directory_ + "/log.1"));
}

TEST_F(LogFileTest, FollowsARename) {
  LogFile log(config(LogFormat::kCri));
  ASSERT_TRUE(log.open().has_value());
  ASSERT_TRUE(log.write(LogStream::kStdout, "old\n", kNow).has_value());
  ASSERT_EQ(rename((directory_ + "/log").c_str(), (directory_ + "/log.old").c_str()), 0);
  ASSERT_TRUE(log.reopen().has_value());
  ASSERT_TRUE(log.write(LogStream::kStdout, "new\n", kNow).has_value());
  EXPECT_TRUE(text(".old").ends_with("old\n"));
  EXPECT_TRUE(text().ends_with("new\n"));
}

}  // namespace
}  // namespace kobuk::runtime
