#include "engine/logs.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "engine/testing/temporary_folder.h"

namespace kobuk::engine {
namespace {

std::string line(int number, const char* stream = "stdout") {
  return cat(R"({"log":"line )", number, R"(\n","stream":")", stream, R"(","time":"2026-01-01T00:00:)", number < 10 ? "0" : "", number, R"(.5Z"})", "\n");
}

class LogsTest : public ::testing::Test {
 protected:
  void append(const std::string& name, int from, int to) {
    std::ofstream out(folder / name, std::ios::app);
    for (int i = from; i <= to; ++i) out << line(i, i % 2 == 0 ? "stderr" : "stdout");
  }
  std::vector<int> read_all(LogReader& reader) {
    std::vector<int> out;
    while (true) {
      auto lines = reader.read();
      EXPECT_TRUE(lines);
      if (!lines || lines->empty()) return out;
      for (const LogLine& l : *lines) out.push_back(static_cast<int>(parse_int(std::string_view(l.text).substr(5, l.text.size() - 6)).value_or(-1)));
    }
  }
  TemporaryFolder folder;
};

std::vector<int> numbers(int from, int to) {
  std::vector<int> out;
  for (int i = from; i <= to; ++i) out.push_back(i);
  return out;
}

TEST_F(LogsTest, RotatedFilesComeFirstTheOldestBeforeAll) {
  append("log.2", 1, 3), append("log.1", 4, 6), append("log", 7, 9);
  LogReader reader(folder / "log", {});
  EXPECT_EQ(read_all(reader), numbers(1, 9));
}

TEST_F(LogsTest, TailCountsOverFiles) {
  append("log.1", 1, 6), append("log", 7, 9);
  for (int wanted : {0, 1, 3, 4, 9, 100}) {
    LogReader reader(folder / "log", {.tail = static_cast<uint64_t>(wanted), .since = {}, .until = {}});
    EXPECT_EQ(read_all(reader), numbers(std::max(1, 10 - wanted), 9)) << wanted;
  }
}

TEST_F(LogsTest, SinceUntilAndStreams) {
  append("log", 1, 9);
  auto at = [](const char* text) { return *parse_rfc3339(text); };
  LogReader middle(folder / "log", {.tail = {}, .since = at("2026-01-01T00:00:03Z"), .until = at("2026-01-01T00:00:06Z")});
  EXPECT_EQ(read_all(middle), numbers(3, 5));
  LogReader errors(folder / "log", {.tail = {}, .since = {}, .until = {}, .out = false, .err = true});
  EXPECT_EQ(read_all(errors), (std::vector<int>{2, 4, 6, 8}));
}

TEST_F(LogsTest, GoesOnWithWhatIsAddedAndBehindARotation) {
  append("log", 1, 2);
  LogReader reader(folder / "log", {});
  EXPECT_EQ(read_all(reader), numbers(1, 2));
  append("log", 3, 4);
  EXPECT_EQ(read_all(reader), numbers(3, 4));
  append("log", 5, 5);
  std::rename((folder / "log").c_str(), (folder / "log.1").c_str());
  append("log", 6, 7);
  EXPECT_EQ(read_all(reader), numbers(5, 7));
}

TEST_F(LogsTest, SeveralRotationsBetweenTwoReads) {
  append("log", 1, 2);
  LogReader reader(folder / "log", {});
  EXPECT_EQ(read_all(reader), numbers(1, 2));
  std::rename((folder / "log").c_str(), (folder / "log.2").c_str());
  append("log.1", 3, 4);
  append("log", 5, 6);
  EXPECT_EQ(read_all(reader), numbers(3, 6));
}

TEST_F(LogsTest, CutOffAndForeignLinesArePassedOver) {
  {
    std::ofstream out(folder / "log");
    out << "not json\n{\"stream\":\"stdout\"}\n" << line(1) << "{\"log\":\"half";
  }
  LogReader reader(folder / "log", {});
  EXPECT_EQ(read_all(reader), numbers(1, 1));
  std::ofstream(folder / "log", std::ios::app) << " a line\",\"stream\":\"stdout\"}\n" << line(2);
  auto lines = reader.read();
  ASSERT_TRUE(lines);
  ASSERT_EQ(lines->size(), 2u) << "what is completed later counts";
  EXPECT_EQ(lines->front().text, "half a line");
}

TEST_F(LogsTest, AbsentIsEmpty) {
  LogReader reader(folder / "log", {});
  EXPECT_TRUE(read_all(reader).empty());
  append("log", 1, 1);
  EXPECT_EQ(read_all(reader), numbers(1, 1)) << "it may come later";
}

io::Task<void> wait_for(FolderWatch& watch) { co_await watch.changed.wait(); }

TEST_F(LogsTest, TheWatchTellsOfWrites) {
  io::Loop loop;
  auto watch = FolderWatch::open(loop, folder.path());
  ASSERT_TRUE(watch);
  loop.post([this] { append("log", 1, 1); });
  loop.run_until_done(wait_for(**watch));
}

}  // namespace
}  // namespace kobuk::engine
