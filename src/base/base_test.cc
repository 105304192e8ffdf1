#include <gtest/gtest.h>

#include <cerrno>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "base/result.h"

namespace kobuk {
namespace {

TEST(Strings, CatJoinsPiecesOfAnyKind) { EXPECT_EQ(cat("port ", 80, ' ', true, " ", 1.5), "port 80 true 1.5"); }

TEST(Strings, SplitKeepsEmptyParts) {
  EXPECT_EQ(split("a,,b", ',').size(), 3u);
  EXPECT_TRUE(split("", ',').empty());
  EXPECT_EQ(split(",", ',').size(), 2u);
}

TEST(Strings, Base64RoundTripsEveryLength) {
  for (size_t n = 0; n < 70; ++n) {
    std::string bytes = random_bytes(n);
    EXPECT_EQ(unbase64(base64(bytes)), bytes);
    EXPECT_EQ(unbase64(base64_url(bytes)), bytes);
  }
  EXPECT_FALSE(unbase64("a"));
  EXPECT_FALSE(unbase64("ab=c"));
  EXPECT_FALSE(unbase64("a b="));
}

TEST(Strings, HexRefusesOddAndForeignDigits) {
  EXPECT_EQ(unhex("00fF"), std::string("\0\xff", 2));
  EXPECT_FALSE(unhex("0"));
  EXPECT_FALSE(unhex("0g"));
}

TEST(Strings, ParseIntTakesTheWholeText) {
  EXPECT_EQ(parse_int("-42"), -42);
  EXPECT_FALSE(parse_int("42 "));
  EXPECT_FALSE(parse_int("9223372036854775808"));
}

TEST(Clock, Rfc3339RoundTrips) {
  auto time = parse_rfc3339("2026-02-28T23:59:59.123456789Z");
  ASSERT_TRUE(time);
  EXPECT_EQ(format_rfc3339(*time), "2026-02-28T23:59:59Z");
  EXPECT_EQ(format_rfc3339_micro(*time), "2026-02-28T23:59:59.123456Z");
  EXPECT_EQ(format_rfc3339_nano(*time), "2026-02-28T23:59:59.123456789Z");
  EXPECT_EQ(parse_rfc3339("2026-01-01T01:30:00+01:30"), parse_rfc3339("2026-01-01T00:00:00Z"));
}

TEST(Clock, Rfc3339RefusesNonsense) {
  for (auto text : {"", "2026-02-30T00:00:00Z", "2026-01-01", "2026-01-01T25:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00Zx",
                    "2026-01-01T00:00:00.Z"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

Result<int> half(int n) {
  if (n % 2 != 0) return fail(Code::kInvalid, n, " is odd");
  return n / 2;
}
Result<int> quarter(int n) {
  KOBUK_TRY(int h, half(n));
  return half(h);
}

TEST(Result, TryReturnsTheError) {
  EXPECT_EQ(quarter(8).value(), 2);
  EXPECT_EQ(quarter(6).error().message(), "3 is odd");
  EXPECT_EQ(quarter(6).error().context("quarter").message(), "quarter: 3 is odd");
}

TEST(Error, ErrnoHasItsCanonicalCode) {
  EXPECT_EQ(errno_error(ENOENT, "open /x").code(), Code::kNotFound);
  EXPECT_EQ(errno_error(ENOENT, "open /x").message(), "open /x: No such file or directory");
  EXPECT_EQ(errno_error(ENOSPC, "write").code(), Code::kResourceExhausted);
}

std::string last_line;
TEST(Log, QuotesWhatIsNotOneWord) {
  log::set_sink([](log::Level, std::string_view line) { last_line = line; });
  log::info("hello", {{"a", "plain"}, {"b", "two\nlines"}});
  log::set_sink(nullptr);
  EXPECT_TRUE(last_line.ends_with("INFO  hello a=plain b=\"two\\nlines\"")) << last_line;
}

TEST(Random, UuidHasVersionAndVariant) {
  std::string id = random_uuid();
  ASSERT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
}

}  // namespace
}  // namespace kobuk
