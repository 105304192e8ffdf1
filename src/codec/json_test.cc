#include "codec/json.h"

#include <gtest/gtest.h>

#include "codec/json_scanner.h"

namespace kobuk::codec {
namespace {

std::string round_trip(std::string_view text) {
  auto document = parse_json(text);
  return document ? to_json(document->root) : "error: " + document.error().message();
}

std::string error_of(std::string_view text) {
  auto document = parse_json(text);
  return document ? "no error: " + to_json(document->root) : document.error().message();
}

TEST(Json, RoundTripsEveryKind) {
  for (auto text : {"null", "true", "false", "0", "-1", "9223372036854775807", "-9223372036854775808", "1.5", "\"\"",
                    "[]", "{}", R"({"z":1,"a":[null,{"b":"c"}]})", "1e+21", "1e-7", "0.000001", "\"ä€😀\""}) {
    EXPECT_EQ(round_trip(text), text);
  }
}

TEST(Json, NumbersAreWrittenAsGoDoes) {
  EXPECT_EQ(round_trip("1.0"), "1");
  EXPECT_EQ(round_trip("-0.0"), "0");
  EXPECT_EQ(round_trip("1E2"), "100");
  EXPECT_EQ(round_trip("123.456"), "123.456");
  EXPECT_EQ(round_trip("1.25e-9"), "1.25e-9");
  EXPECT_EQ(round_trip("1e400"), "error: number 1e400 is out of range (line 1, column 1)");
  EXPECT_EQ(round_trip("1e-400"), "0");
}

TEST(Json, IntegersBeyond64BitsBecomeDoubles) {
  EXPECT_EQ(round_trip("9223372036854775808"), "9223372036854776000");
  EXPECT_EQ(round_trip("18446744073709551616"), "18446744073709552000");
  EXPECT_EQ(round_trip("[1,123456789012345678901234567890]"), "[1,1.2345678901234568e+29]");
}

TEST(Json, StringsAreEscapedOnlyWhereNeeded) {
  EXPECT_EQ(round_trip(R"("\u0000\u001f\"\\\/\b\f\n\r\t<>&")"), R"("\u0000\u001f\"\\/\b\f\n\r\t<>&")");
  EXPECT_EQ(round_trip(R"("\u2028\u2029\u00e4\ud83d\ude00")"), "\"\\u2028\\u2029ä😀\"");
  std::string out;
  append_json_string(out, std::string_view("a\xff\xc0\x80z", 5));
  EXPECT_EQ(out, "\"a\ufffd\ufffd\ufffdz\"");
}

TEST(Json, LoneSurrogatesAndBadUtf8BecomeReplacements) {
  EXPECT_EQ(round_trip(R"("\ud800")"), "\"\ufffd\"");
  EXPECT_EQ(round_trip(R"("\ud800A\udc00")"), "\"\ufffdA\ufffd\"");
  EXPECT_EQ(round_trip("\"\xff\""), "\"\ufffd\"");
}

TEST(Json, ErrorsReadAsGoDoesAndNameThePlace) {
  EXPECT_EQ(error_of(""), "unexpected end of JSON input (line 1, column 1)");
  EXPECT_EQ(error_of("{\"a\":\n  }"), "invalid character '}' looking for beginning of value (line 2, column 3)");
  EXPECT_EQ(error_of("{a:1}"), "invalid character 'a' looking for beginning of object key string (line 1, column 2)");
  EXPECT_EQ(error_of("{\"a\" 1}"), "invalid character '1' after object key (line 1, column 6)");
  EXPECT_EQ(error_of("{\"a\":1 \"b\"}"), "invalid character '\"' after object key:value pair (line 1, column 8)");
  EXPECT_EQ(error_of("[1 2]"), "invalid character '2' after array element (line 1, column 4)");
  EXPECT_EQ(error_of("[1,]"), "invalid character ']' looking for beginning of value (line 1, column 4)");
  EXPECT_EQ(error_of("1 1"), "invalid character '1' after top-level value (line 1, column 3)");
  EXPECT_EQ(error_of("01"), "invalid character '1' after top-level value (line 1, column 2)");
  EXPECT_EQ(error_of("nul1"), "invalid character '1' in literal null (expecting 'l') (line 1, column 4)");
  EXPECT_EQ(error_of("\"a\nb\""), "invalid character '\\n' in string literal (line 1, column 3)");
  EXPECT_EQ(error_of("\"\\x\""), "invalid character 'x' in string escape code (line 1, column 3)");
  EXPECT_EQ(error_of("\"\\u00g0\""), "invalid character 'g' in \\u hexadecimal character escape (line 1, column 6)");
  EXPECT_EQ(error_of("-"), "unexpected end of JSON input (line 1, column 2)");
  EXPECT_EQ(error_of("1.x"), "invalid character 'x' after decimal point in numeric literal (line 1, column 3)");
  EXPECT_EQ(error_of("1e'"), "invalid character '\\'' in exponent of numeric literal (line 1, column 3)");
}

TEST(Json, LimitsHold) {
  EXPECT_EQ(parse_json("[1,2,3]", ParseLimits{.max_bytes = 6}).error().code(), Code::kTooLarge);
  std::string deep = std::string(600, '[') + std::string(600, ']');
  EXPECT_EQ(parse_json(deep).error().code(), Code::kTooLarge);
  EXPECT_TRUE(parse_json(deep, ParseLimits{.max_depth = 600}));
  EXPECT_FALSE(parse_json(deep, ParseLimits{.max_depth = 599}));
  EXPECT_EQ(parse_json(std::string(100000, '[')).error().code(), Code::kTooLarge);
  EXPECT_EQ(parse_json(std::string(100000, '[') + "1", ParseLimits{.max_depth = 100}).error().code(), Code::kTooLarge);
}

TEST(Json, RepeatedKeysKeepTheLastValueAndAreNamed) {
  std::vector<std::string> duplicates;
  auto doc = parse_json(R"({"a":1,"b":[{"c":1},{"c":1,"c":2,"c":3}],"a":4})", {}, &duplicates);
  ASSERT_TRUE(doc);
  EXPECT_EQ(to_json(doc->root), R"({"a":4,"b":[{"c":1},{"c":3}]})");
  EXPECT_EQ(duplicates, (std::vector<std::string>{".b[1].c", ".b[1].c", ".a"}));
}

TEST(Json, RepeatedKeysInLargeObjects) {
  std::string text = "{";
  for (int i = 0; i < 50; ++i) cat_to(text, "\"k", i, "\":0,");
  std::vector<std::string> duplicates;
  auto doc = parse_json(text + "\"k7\":1}", {}, &duplicates);
  ASSERT_TRUE(doc);
  EXPECT_EQ(doc->root.size(), 50u);
  EXPECT_EQ(doc->root["k7"].as_int(), 1);
  EXPECT_EQ(duplicates, (std::vector<std::string>{".k7"}));
}

TEST(Json, ReportedDuplicatesAreBounded) {
  std::string text = "{\"a\":1";
  for (int i = 0; i < 1000; ++i) text += ",\"a\":1";
  std::vector<std::string> duplicates;
  ASSERT_TRUE(parse_json(text + "}", {}, &duplicates));
  EXPECT_EQ(duplicates.size(), 64u);
}

TEST(Json, ScannerAgreesWithTheFastParser) {
  for (auto text : {"[1,-2,3.5e3,true,false,null]", R"( { "a" : { "b" : [ ] } , "c" : "\u00e4\n" } )",
                    "1844674407370955161", "[[[[]]]]", R"("\ud83d\ude00")"}) {
    Arena arena;
    auto slow = scan_json(text, arena, {}, nullptr);
    auto fast = parse_json(text, arena);
    ASSERT_TRUE(slow && fast) << text;
    EXPECT_EQ(*slow, *fast) << text;
  }
}

TEST(Json, LargeTextsDoNotStayInTheThread) {
  std::string text = "[\"" + std::string(2 << 20, 'x') + "\"]";
  EXPECT_EQ(round_trip(text), text);
  EXPECT_EQ(round_trip("[1]"), "[1]");
}

TEST(Json, PrettyIsGosMarshalIndent) {
  auto doc = parse_json(R"({"a":[1,{"b":[]}],"c":{}})");
  ASSERT_TRUE(doc);
  EXPECT_EQ(to_json_pretty(doc->root), "{\n  \"a\": [\n    1,\n    {\n      \"b\": []\n    }\n  ],\n  \"c\": {}\n}");
  EXPECT_EQ(to_json_pretty(Value::integer(1)), "1");
}

}  // namespace
}  // namespace kobuk::codec

namespace kobuk::codec {
namespace {

TEST(JsonWrite, NegativeZeroReadsBackAsItself) {
  auto document = parse_json("[-0.0,-0e8,0.0]");
  ASSERT_TRUE(document);
  EXPECT_EQ(to_json(document->root), "[0,0,0]");
}

}  // namespace
}  // namespace kobuk::codec
