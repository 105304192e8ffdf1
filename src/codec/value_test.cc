#include "codec/value.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::codec {
namespace {

Document parsed(std::string_view text) {
  auto document = parse_json(text);
  EXPECT_TRUE(document) << text << ": " << (document ? "" : document.error().message());
  return document ? std::move(*document) : Document();
}

TEST(Arena, KeepsItsMemoryWhenItMoves) {
  Arena first;
  std::string_view text = first.copy("hello");
  Arena second = std::move(first);
  EXPECT_EQ(text, "hello");
  EXPECT_EQ(second.used(), 5u);
  EXPECT_EQ(first.used(), 0u);
  second = Arena();
  EXPECT_EQ(second.used(), 0u);
}

TEST(Arena, AlignsAndTakesAnySize) {
  Arena arena;
  for (size_t size : {1u, 7u, 2048u, 3u, 1000000u, 9u}) {
    void* piece = arena.allocate(size, 16);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 16, 0u);
    std::memset(piece, 1, size);
  }
}

TEST(Arena, RetainsOwnersUntilItGoes) {
  auto owner = std::make_shared<const std::string>("x");
  {
    Arena arena;
    arena.retain(owner);
    EXPECT_EQ(owner.use_count(), 2);
    Arena moved = std::move(arena);
    EXPECT_EQ(owner.use_count(), 2);
  }
  EXPECT_EQ(owner.use_count(), 1);
}

TEST(Value, IsSixteenBytes) { EXPECT_EQ(sizeof(Value), 16u); }

TEST(Value, LookupsChainThroughWhatIsAbsent) {
  Document doc = parsed(R"({"spec":{"replicas":3,"list":[1,2]}})");
  EXPECT_EQ(doc.root["spec"]["replicas"].as_int(1), 3);
  EXPECT_EQ(doc.root["status"]["replicas"].as_int(1), 1);
  EXPECT_EQ(doc.root["spec"]["list"].at(1).as_int(), 2);
  EXPECT_TRUE(doc.root["spec"]["list"].at(2).is_null());
  EXPECT_TRUE(doc.root.at(0).is_null());
  EXPECT_EQ(doc.root["spec"].as_string("none"), "none");
}

TEST(Value, SetReplacesInPlaceAndAppends) {
  Document doc = parsed(R"({"a":1,"b":2})");
  doc.root.set(doc.arena, "a", Value::boolean(true));
  doc.root.set(doc.arena, std::string("c"), Value::string(doc.arena, "x"));
  doc.root.get_or_add(doc.arena, "d").set(doc.arena, "e", Value::integer(5));
  EXPECT_EQ(to_json(doc.root), R"({"a":true,"b":2,"c":"x","d":{"e":5}})");
  EXPECT_TRUE(doc.root.erase("b"));
  EXPECT_FALSE(doc.root.erase("b"));
  EXPECT_EQ(to_json(doc.root), R"({"a":true,"c":"x","d":{"e":5}})");
}

TEST(Value, ArraysInsertAndErase) {
  Document doc;
  for (int i = 0; i < 10; ++i) doc.root.push(doc.arena, Value::integer(i));
  doc.root.insert(doc.arena, 0, Value::integer(-1));
  doc.root.insert(doc.arena, 99, Value::integer(99));
  doc.root.erase_at(1);
  doc.root.erase_at(50);
  EXPECT_EQ(to_json(doc.root), "[-1,1,2,3,4,5,6,7,8,9,99]");
  doc.root.truncate(2);
  doc.root.truncate(7);
  EXPECT_EQ(to_json(doc.root), "[-1,1]");
}

TEST(Value, CloneIsDeep) {
  Document copy;
  {
    Document doc = parsed(R"({"a":{"b":["x",{"c":1.5}]}})");
    copy = clone_document(doc.root);
    doc.root.find("a")->set(doc.arena, "b", Value());
  }
  EXPECT_EQ(to_json(copy.root), R"({"a":{"b":["x",{"c":1.5}]}})");
}

TEST(Value, EqualityIgnoresOrderAndNumberKind) {
  EXPECT_EQ(parsed(R"({"a":1,"b":[1,2]})").root, parsed(R"({"b":[1.0,2],"a":1})").root);
  EXPECT_FALSE(parsed("[1,2]").root == parsed("[2,1]").root);
  EXPECT_FALSE(parsed(R"({"a":1})").root == parsed(R"({"a":1,"b":null})").root);
  EXPECT_FALSE(parsed("9007199254740993").root == parsed("9007199254740992.0").root);
  EXPECT_FALSE(parsed("9223372036854775807").root == parsed("9223372036854775808").root);
}

TEST(Value, EqualityOfLargeObjectsInOtherOrders) {
  std::string up = "{", down = "{";
  for (int i = 0; i < 200; ++i) cat_to(up, i ? "," : "", "\"", i, "\":", i);
  for (int i = 199; i >= 0; --i) cat_to(down, i < 199 ? "," : "", "\"", i, "\":", i);
  EXPECT_EQ(parsed(up + "}").root, parsed(down + "}").root);
  EXPECT_FALSE(parsed(up + ",\"x\":1}").root == parsed(down + ",\"y\":1}").root);
}

TEST(Value, IntegralDoublesCountAsIntegers) {
  EXPECT_EQ(Value::number(3.0).as_int(-1), 3);
  EXPECT_EQ(Value::number(3.5).as_int(-1), -1);
  EXPECT_EQ(Value::number(1e300).as_int(-1), -1);
  EXPECT_EQ(Value::number(0x1p63).as_int(-1), -1);
}

}  // namespace
}  // namespace kobuk::codec
