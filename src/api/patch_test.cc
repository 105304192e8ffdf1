#include "api/patch.h"

#include <gtest/gtest.h>

#include "api/strategic.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

// The patched document as text, or "error: …".
std::string json_patched(std::string_view target, std::string_view patch, PatchLimits limits = {}) {
  auto document = codec::parse_json(target);
  auto operations = codec::parse_json(patch);
  if (!document || !operations) return "bad test";
  auto done = apply_json_patch(document->root, operations->root, document->arena, limits);
  return done ? codec::to_json(document->root) : "error: " + done.error().message();
}

std::string merged(std::string_view target, std::string_view patch) {
  auto document = codec::parse_json(target);
  auto change = codec::parse_json(patch);
  return codec::to_json(apply_merge_patch(document->root, change->root, document->arena));
}

// RFC 6902, appendix A.
TEST(JsonPatch, ExamplesOfTheRfc) {
  EXPECT_EQ(json_patched(R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])"), R"({"foo":"bar","baz":"qux"})");
  EXPECT_EQ(json_patched(R"({"foo":["bar","baz"]})", R"([{"op":"add","path":"/foo/1","value":"qux"}])"), R"({"foo":["bar","qux","baz"]})");
  EXPECT_EQ(json_patched(R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])"), R"({"foo":"bar"})");
  EXPECT_EQ(json_patched(R"({"foo":["bar","qux","baz"]})", R"([{"op":"remove","path":"/foo/1"}])"), R"({"foo":["bar","baz"]})");
  EXPECT_EQ(json_patched(R"({"a":{"b":1},"c":{}})", R"([{"op":"move","from":"/a/b","path":"/c/d"}])"), R"({"a":{},"c":{"d":1}})");
  EXPECT_EQ(json_patched(R"({"foo":["all","grass","cows","eat"]})", R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])"),
            R"({"foo":["all","cows","eat","grass"]})");
  EXPECT_EQ(json_patched(R"({"foo":["bar"]})", R"([{"op":"add","path":"/foo/-","value":["abc","def"]}])"), R"({"foo":["bar",["abc","def"]]})");
  EXPECT_EQ(json_patched(R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":10}])"), R"({"/":9,"~1":10})");
}

TEST(JsonPatch, WhatDoesNotApplyIsRefused) {
  for (auto patch : {R"([{"op":"replace","path":"/x","value":1}])", R"([{"op":"remove","path":"/x"}])",
                     R"([{"op":"add","path":"/x/y","value":1}])", R"([{"op":"test","path":"/a","value":2}])",
                     R"([{"op":"add","path":"/l/9","value":1}])", R"([{"op":"add","path":"/l/01","value":1}])",
                     R"([{"op":"add","path":"a","value":1}])", R"([{"op":"add","path":"/a~","value":1}])",
                     R"([{"op":"add","path":"/b"}])", R"([{"op":"frob","path":"/a"}])", R"([{"path":"/a"}])", R"({})",
                     R"([{"op":"move","from":"/o","path":"/o/x"}])", R"([{"op":"remove","path":""}])"}) {
    EXPECT_TRUE(json_patched(R"({"a":1,"l":[],"o":{}})", patch).starts_with("error: ")) << patch;
  }
}

TEST(JsonPatch, IsBounded) {
  EXPECT_EQ(json_patched("{}", R"([{"op":"add","path":"/a","value":1},{"op":"add","path":"/b","value":1}])", {.max_operations = 1}),
            "error: The allowed maximum operations in a JSON patch is 1, got 2");
  std::string bomb = R"([{"op":"add","path":"/a","value":["0123456789"]})";
  for (int i = 0; i < 40; ++i) bomb += R"(,{"op":"copy","from":"/a","path":"/a/-"})";
  EXPECT_TRUE(json_patched("{}", bomb + "]").starts_with("error: "));
}

TEST(JsonPatch, MovesWithoutCopies) {
  auto document = codec::parse_json(R"({"a":{}})");
  document->root.find("a")->set(document->arena, "text", codec::Value::string(document->arena, std::string(1 << 20, 'x')));
  std::string moves = "[";
  for (int i = 0; i < 10'000; ++i) moves += std::string(i ? "," : "") + (i % 2 ? R"({"op":"move","from":"/b","path":"/a"})" : R"({"op":"move","from":"/a","path":"/b"})");
  auto operations = codec::parse_json(moves + "]");
  size_t before = document->arena.used();
  ASSERT_TRUE(apply_json_patch(document->root, operations->root, document->arena));
  EXPECT_LT(document->arena.used(), before + (1 << 20));
  EXPECT_EQ(document->root["a"]["text"].as_string().size(), 1u << 20);
}

TEST(JsonPatch, NestsNoDeeperThanCanBeReadAgain) {
  std::string nest = R"({"a":{"a":{"a":{}}}})", deep = "/a/a/a/a";
  EXPECT_EQ(json_patched(nest, R"([{"op":"add","path":"/a/a/a/b","value":1}])", {.max_depth = 4}), R"({"a":{"a":{"a":{"b":1}}}})");
  for (auto patch : {R"([{"op":"add","path":"/a/a/a/b","value":{}}])", R"([{"op":"replace","path":"/a/a/a","value":{"b":{}}}])",
                     R"([{"op":"copy","from":"/a","path":"/a/a/b"}])",
                     R"([{"op":"add","path":"/b","value":{"c":{}}},{"op":"move","from":"/b","path":"/a/a/a/b"}])"}) {
    EXPECT_NE(json_patched(nest, patch, {.max_depth = 4}).find("the patch nests deeper than 4 levels"), std::string::npos) << patch;
  }
}

// RFC 7386, appendix A.
TEST(MergePatch, ExamplesOfTheRfc) {
  EXPECT_EQ(merged(R"({"a":"b"})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(merged(R"({"a":"b"})", R"({"b":"c"})"), R"({"a":"b","b":"c"})");
  EXPECT_EQ(merged(R"({"a":"b"})", R"({"a":null})"), "{}");
  EXPECT_EQ(merged(R"({"a":["b"]})", R"({"a":"c"})"), R"({"a":"c"})");
  EXPECT_EQ(merged(R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})"), R"({"a":{"b":"d"}})");
  EXPECT_EQ(merged(R"(["a","b"])", R"(["c","d"])"), R"(["c","d"])");
  EXPECT_EQ(merged(R"({"e":null})", R"({"a":1})"), R"({"e":null,"a":1})");
  EXPECT_EQ(merged("{}", R"({"a":{"bb":{"ccc":null}}})"), R"({"a":{"bb":{}}})");
}

TEST(MergePatch, MadePatchesLeadThere) {
  constexpr std::string_view kFrom = R"({"a":1,"b":{"c":[1,2],"d":"x"},"gone":true})";
  constexpr std::string_view kTo = R"({"a":1,"b":{"c":[1],"d":"x","e":{}},"new":"n"})";
  auto from = codec::parse_json(kFrom);
  auto to = codec::parse_json(kTo);
  auto patch = make_merge_patch(from->root, to->root, from->arena);
  EXPECT_EQ(codec::to_json(patch), R"({"gone":null,"b":{"c":[1],"e":{}},"new":"n"})");
  EXPECT_TRUE(apply_merge_patch(from->root, patch, from->arena) == to->root);
}

// Would take minutes if any step looked through all members for each of them.
TEST(MergePatch, LargeObjectsTakeNoSquareOfTheirSize) {
  std::string text = "{", change = "{";
  for (int i = 0; i < 100'000; ++i) {
    text += cat(i ? "," : "", "\"k", i, "\":1");
    change += cat(i ? "," : "", "\"k", 99'999 - i, "\":", i % 2 ? "null" : "2");
  }
  auto from = codec::parse_json(text + "}"), patch = codec::parse_json(change + ",\"new\":1}");
  ASSERT_TRUE(from && patch);
  auto merged = apply_merge_patch(from->root, patch->root, from->arena);
  EXPECT_EQ(merged.size(), 50'001u);
  EXPECT_TRUE(apply_merge_patch(from->root, make_merge_patch(from->root, merged, from->arena), from->arena) == merged);
  auto strategic = apply_strategic_patch(from->root, patch->root, Schema{}, from->arena);
  ASSERT_TRUE(strategic);
  EXPECT_TRUE(*strategic == merged);
}

}  // namespace
}  // namespace kobuk::api
