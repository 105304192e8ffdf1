#include "codec/yaml.h"

#include <gtest/gtest.h>

#include "codec/yaml_resolve.h"

namespace kobuk::codec {
namespace {

std::string json_of(std::string_view text) {
  auto document = parse_yaml(text);
  return document ? to_json(document->root) : document.error().message();
}

std::string yaml_of(std::string_view json) {
  auto document = parse_json(json);
  return document ? to_yaml(document->root) : document.error().message();
}

TEST(Yaml, ReadsAPod) {
  EXPECT_EQ(json_of("apiVersion: v1\nkind: Pod\nmetadata:\n  name: a # note\n  labels: {app: web, 'n': \"1\"}\nspec:\n"
                    "  containers:\n  - name: c\n    args: [\"-c\", 'it''s']\n    script: |\n      one\n      two\n"),
            R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"app":"web","n":"1"}},)"
            R"("spec":{"containers":[{"name":"c","args":["-c","it's"],"script":"one\ntwo\n"}]}})");
}

TEST(Yaml, ScalarsFollowYaml11) {
  EXPECT_EQ(json_of("[yes, No, on, OFF, y, n, True, FALSE, yEs]"),
            "[true,false,true,false,true,false,true,false,\"yEs\"]");
  EXPECT_EQ(json_of("[0644, 0o17, 0x1F, 0b101, 1_000, +12, -3, 08, -0x10]"), "[420,15,31,5,1000,12,-3,8,-16]");
  EXPECT_EQ(json_of("[~, null, NULL, '', nuLL, ]"), R"([null,null,null,"","nuLL"])");
  EXPECT_EQ(json_of("[1.5, .5, 1e3, 1., 1e400, 1.2.3, 0x, 1:30, '12']"),
            R"([1.5,0.5,1000,1,"1e400","1.2.3","0x","1:30","12"])");
  EXPECT_EQ(json_of("[2024-01-02, 2024-01-02T03:04:05Z]"), R"(["2024-01-02","2024-01-02T03:04:05Z"])");
  EXPECT_EQ(json_of("[9223372036854775807, 9223372036854775808, -9223372036854775808, 99999999999999999999]"),
            "[9223372036854775807,9223372036854776000,-9223372036854775808,100000000000000000000]");
}

TEST(Yaml, TagsForceAType) {
  EXPECT_EQ(json_of("[!!str 12, !!int '12', !!float 1, !!binary aGk=, !custom 5, ! 6]"),
            R"(["12",12,1,"hi","5","6"])");
  EXPECT_EQ(json_of("a: !!int abc"), "yaml: cannot decode !!str `abc` as a !!int");
  EXPECT_EQ(json_of("a: !!binary '*'"), "yaml: !!binary value contains invalid base64 data");
  EXPECT_EQ(json_of("a: .inf"), "json: unsupported value: .inf");
}

TEST(Yaml, KeysBecomeTexts) {
  EXPECT_EQ(json_of("{1: a, yes: b, 1.5: c, 010: d, '1': e}"), R"({"1":"e","true":"b","1.5":"c","8":"d"})");
  EXPECT_EQ(json_of("~: a"), "yaml: line 1: unsupported map key: null");
  EXPECT_EQ(json_of("a: {{ .Values.x }}"), R"(yaml: line 1: invalid map key: {".Values.x":null})");
}

TEST(Yaml, ErrorsAreTheTextsThatKubectlUsersKnow) {
  EXPECT_EQ(json_of("a: b\nc: d: e\n"), "yaml: line 2: mapping values are not allowed in this context");
  EXPECT_EQ(json_of("a: b: c"), "yaml: mapping values are not allowed in this context");
  EXPECT_EQ(json_of("a:\n\t- b"), "yaml: line 2: found character that cannot start any token");
  EXPECT_EQ(json_of("a: 1\nb\n"), "yaml: line 3: could not find expected ':'");
  EXPECT_EQ(json_of("a:\n  - b\n c: d\n"), "yaml: line 2: did not find expected key");
  EXPECT_EQ(json_of("a: [1, 2\nb: 3"), "yaml: line 1: did not find expected ',' or ']'");
  EXPECT_EQ(json_of("a: 'b"), "yaml: found unexpected end of stream");
  EXPECT_EQ(json_of("a: *b"), "yaml: unknown anchor 'b' referenced");
  EXPECT_EQ(json_of("a: &b [*b]"), "yaml: anchor 'b' value contains itself");
  EXPECT_EQ(json_of(std::string_view("a: \x01", 4)), "yaml: control characters are not allowed");
  EXPECT_EQ(json_of("a: \xff"), "yaml: invalid leading UTF-8 octet");
}

TEST(Yaml, AliasesAreCopies) {
  auto document = parse_yaml("a: &x {k: [1]}\nb: *x\n");
  ASSERT_TRUE(document);
  document->root.find("b")->find("k")->push(document->arena, Value::integer(2));
  EXPECT_EQ(to_json(document->root), R"({"a":{"k":[1]},"b":{"k":[1,2]}})");
}

TEST(Yaml, AliasBombsAreRefused) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    cat_to(text, "a", i, ": &a", i, " [");
    for (int j = 0; j < 10; ++j) cat_to(text, j ? "," : "", "*a", i - 1);
    text += "]\n";
  }
  auto document = parse_yaml(text);
  ASSERT_FALSE(document);
  EXPECT_EQ(document.error().code(), Code::kTooLarge);
  EXPECT_EQ(document.error().message(), "yaml: document contains excessive aliasing");
}

TEST(Yaml, MergeKeysGiveDefaults) {
  EXPECT_EQ(json_of("base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  z: 5\n  x: 3\n"),
            R"({"base":{"x":1,"true":2},"use":{"x":3,"true":2,"z":5}})");
  EXPECT_EQ(json_of("a: &a {p: 1}\nb: &b {p: 2, q: 2}\nc:\n  p2: 0\n  <<: [*a, *b]\n"),
            R"({"a":{"p":1},"b":{"p":2,"q":2},"c":{"p":1,"q":2,"p2":0}})");
  EXPECT_EQ(json_of("c: {<<: 5}"), "yaml: map merge requires map or sequence of maps as the value");
  EXPECT_EQ(json_of("c: {<<: [5]}"), "yaml: map merge requires map or sequence of maps as the value");
  EXPECT_EQ(json_of("c: {'<<': 5}"), R"({"c":{"<<":5}})");
}

TEST(Yaml, RepeatedKeysAreNamed) {
  std::vector<std::string> duplicates;
  auto document = parse_yaml("a: 1\nb:\n- c: 1\n  c: 2\na: 3\n", {}, &duplicates);
  ASSERT_TRUE(document);
  EXPECT_EQ(to_json(document->root), R"({"a":3,"b":[{"c":2}]})");
  EXPECT_EQ(duplicates, (std::vector<std::string>{".b[0].c", ".a"}));
}

TEST(Yaml, OneDocumentIsTheFirst) {
  EXPECT_EQ(json_of(""), "null");
  EXPECT_EQ(json_of("# nothing\n"), "null");
  EXPECT_EQ(json_of("---\na: 1\n---\nb: 2\n"), R"({"a":1})");
  EXPECT_EQ(json_of(R"({"a": ["json", 1]})"), R"({"a":["json",1]})");
}

TEST(Yaml, StreamsLeaveOutEmptyDocuments) {
  auto documents = parse_yaml_stream("# head\n---\na: 1\n---\n---\n# none\n---\nb: 2\n...\n---\nnull\n");
  ASSERT_TRUE(documents) << documents.error().message();
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ(to_json(documents->at(0).root), R"({"a":1})");
  EXPECT_EQ(to_json(documents->at(1).root), R"({"b":2})");
  EXPECT_EQ(parse_yaml_stream("")->size(), 0u);
  EXPECT_FALSE(parse_yaml_stream("a: 1\n---\nb: c: d\n"));
  EXPECT_FALSE(parse_yaml_stream("a: &x 1\n---\nb: *x\n"));  // anchors do not cross documents
}

TEST(Yaml, LimitsHold) {
  EXPECT_EQ(parse_yaml("abc", ParseLimits{.max_bytes = 2}).error().code(), Code::kTooLarge);
  std::string deep = std::string(600, '[') + std::string(600, ']');
  EXPECT_EQ(parse_yaml(deep).error().message(), "yaml: exceeded max depth of 512");
  EXPECT_TRUE(parse_yaml(deep, ParseLimits{.max_depth = 600}));
}

TEST(Yaml, WritesAsKubectlDoes) {
  EXPECT_EQ(yaml_of(R"({"spec":{"containers":[{"name":"c","args":["a","b"],"env":[]}],"b":{}},"kind":"Pod"})"),
            "kind: Pod\nspec:\n  b: {}\n  containers:\n  - args:\n    - a\n    - b\n    env: []\n    name: c\n");
  EXPECT_EQ(yaml_of(R"([[1,2],{"a":null}])"), "- - 1\n  - 2\n- a: null\n");
  EXPECT_EQ(yaml_of("\"x\""), "x\n");
  EXPECT_EQ(yaml_of("{}"), "{}\n");
}

TEST(Yaml, QuotesWhatWouldReadAsSomethingElse) {
  EXPECT_EQ(yaml_of(R"(["true","y","12","1.5","null","","~","0x1","1:30","2024-01-02T03:04:05Z","<<",".5"])"),
            "- \"true\"\n- \"y\"\n- \"12\"\n- \"1.5\"\n- \"null\"\n- \"\"\n- \"~\"\n- \"0x1\"\n- \"1:30\"\n"
            "- \"2024-01-02T03:04:05Z\"\n- \"<<\"\n- \".5\"\n");
  EXPECT_EQ(yaml_of(R"(["a: b","- x","#c","a #b","*x","{","it's","@","10.0.0.1","a:b","x:"," lead","%d"])"),
            "- 'a: b'\n- '- x'\n- '#c'\n- 'a #b'\n- '*x'\n- '{'\n- it's\n- '@'\n- 10.0.0.1\n- a:b\n- 'x:'\n- ' lead'\n"
            "- '%d'\n");
  EXPECT_EQ(yaml_of(R"(["a\tb","\u0001","ä€","tab\t"])"), "- \"a\\tb\"\n- \"\\x01\"\n- ä€\n- \"tab\\t\"\n");
}

TEST(Yaml, MultiLineTextsAreBlocks) {
  EXPECT_EQ(yaml_of(R"({"a":"x\ny\n","b":"x\ny","c":"x\n\n"})"), "a: |\n  x\n  y\nb: |-\n  x\n  y\nc: |+\n  x\n\n");
  EXPECT_EQ(yaml_of(R"({"a":"  x\ny"})"), "a: |2-\n    x\n  y\n");
}

TEST(Yaml, NumbersAndOrderOfKeys) {
  EXPECT_EQ(yaml_of("[1.5,1e-7,1000000.5,0.25,-3,1e30]"), "- 1.5\n- 1e-07\n- 1.0000005e+06\n- 0.25\n- -3\n- 1e+30\n");
  EXPECT_EQ(yaml_of(R"({"b10":1,"b9":1,"a.b":1,"a/b":1,"ab":1,"B":1,"a1":1})"),
            "B: 1\na.b: 1\na/b: 1\na1: 1\nab: 1\nb9: 1\nb10: 1\n");
}

TEST(Yaml, InvalidUtf8IsWrittenAsBinary) {
  Arena arena;
  EXPECT_EQ(to_yaml(Value::string(arena, "\xff\xfe")), "!!binary \"//4=\"\n");
}

TEST(Yaml, RoundTrips) {
  for (auto json : {R"({"a":["x\n","  y\n z",""," ","\t","\n","null","-","?","ä😀","\u0085","\ufeff"],"y":{"on":1}})",
                    R"({"long":"aaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccccc ddd"})",
                    R"([1.5,-0.25,1e300,9223372036854775807,true,null,[],{},"|\n>","a\r\nb","trailing \n"])"}) {
    auto document = parse_json(json);
    ASSERT_TRUE(document);
    std::string yaml = to_yaml(document->root);
    EXPECT_EQ(json_of(yaml), to_json(document->root)) << yaml;
  }
}

}  // namespace
}  // namespace kobuk::codec
