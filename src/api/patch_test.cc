#include "api/patch.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace kobuk::api
