#include "api/selector.h"

#include <gtest/gtest.h>

#include "codec/json.h"

namespace kobuk::api {
namespace {

bool matches(std::string_view selector, std::string_view labels) {
  auto parsed = LabelSelector::parse(selector);
  EXPECT_TRUE(parsed) << selector << ": " << (parsed ? "" : parsed.error().message());
  auto document = codec::parse_json(labels);
  EXPECT_TRUE(document);
  return parsed && parsed->matches(document->root);
}

TEST(LabelSelector, EveryOperator) {
  constexpr std::string_view kLabels = R"({"app":"nginx","tier":"web","n":"5","example.com/x":""})";
  for (auto yes : {"", "app=nginx", "app==nginx", "app!=apache", "absent!=x", "app in (apache, nginx)",
                   "app notin (apache)", "app", "!absent", "n>4", "n<6", "app=nginx,tier=web", "example.com/x=",
                   "example.com/x"}) {
    EXPECT_TRUE(matches(yes, kLabels)) << yes;
  }
  for (auto no : {"app=apache", "app!=nginx", "app in (a,b)", "app notin (nginx)", "absent", "!app", "n>5", "n<5",
                  "app>1", "app=nginx,tier=db"}) {
    EXPECT_FALSE(matches(no, kLabels)) << no;
  }
}

TEST(LabelSelector, RefusesNonsense) {
  for (auto bad : {"a=b c", "=x", "a in b", "a in (b", "a,", "a=b)", "a b", "-a=x", "a=-", "n>x", "a//b", "/a", "a@b"}) {
    EXPECT_FALSE(LabelSelector::parse(bad)) << bad;
  }
}

TEST(LabelSelector, TextParsesToTheSame) {
  for (auto text : {"!c,a=1,b in (x,y)", "a!=1", "n>4"}) EXPECT_EQ(LabelSelector::parse(text)->text(), text);
}

TEST(LabelSelector, FromAnObject) {
  auto document = codec::parse_json(
      R"({"matchLabels":{"a":"b"},"matchExpressions":[{"key":"c","operator":"In","values":["d","e"]}]})");
  ASSERT_TRUE(document);
  auto selector = LabelSelector::from_value(document->root);
  ASSERT_TRUE(selector);
  EXPECT_EQ(selector->text(), "a=b,c in (d,e)");
  EXPECT_TRUE(LabelSelector::from_value(codec::Value::object())->everything());
  EXPECT_FALSE(LabelSelector::from_value(codec::Value())->matches(codec::Value::object()));
  auto bad = codec::parse_json(R"({"matchExpressions":[{"key":"c","operator":"Near"}]})");
  EXPECT_EQ(LabelSelector::from_value(bad->root).error().message(), "\"Near\" is not a valid label selector operator");
}

TEST(FieldSelector, TermsHold) {
  auto object = codec::parse_json(R"({"metadata":{"name":"x"},"spec":{"unschedulable":true},"status":{"n":1}})");
  ASSERT_TRUE(object);
  auto holds = [&](std::string_view text) { return FieldSelector::parse(text)->matches(object->root); };
  EXPECT_TRUE(holds("metadata.name=x,spec.unschedulable==true"));
  EXPECT_TRUE(holds("status.phase!=Failed,status.n=1"));
  EXPECT_TRUE(holds("spec.nodeName="));
  EXPECT_FALSE(holds("metadata.name!=x"));
  EXPECT_EQ(FieldSelector::parse("a!=b,metadata.name=x")->exact("metadata.name"), "x");
  EXPECT_EQ(FieldSelector::parse("x").error().message(), "invalid selector: 'x'; can't understand 'x'");
}

}  // namespace
}  // namespace kobuk::api
