#include "app/kubectl/output.h"

#include <gtest/gtest.h>

#include "app/kubectl/commands.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

codec::Document parse(std::string_view json) { return codec::parse_json(json).value(); }

constexpr std::string_view kTable = R"({"kind":"Table","columnDefinitions":[
  {"name":"Name","type":"string","priority":0},{"name":"Ready","type":"string","priority":0},{"name":"Node","type":"string","priority":1}],
  "rows":[{"cells":["web-1","1/1","n1"],"object":{"metadata":{"name":"web-1","namespace":"default","labels":{"app":"web"}}}},
          {"cells":["w","0/1",null],"object":{"metadata":{"name":"w","namespace":"kube-system"}}}]})";

TEST(Table, NarrowWideAndWithNamespaces) {
  auto table = parse(kTable);
  EXPECT_EQ(format_table(table.root, {}), "NAME    READY\nweb-1   1/1\nw       0/1\n");
  EXPECT_EQ(format_table(table.root, {.wide = true, .headers = false}), "web-1   1/1   n1\nw       0/1   <none>\n");
  EXPECT_EQ(format_table(table.root, {.with_space = true, .show_labels = true, .prefix = "pod/"}),
            "NAMESPACE     NAME        READY   LABELS\ndefault       pod/web-1   1/1     app=web\nkube-system   pod/w       0/1     <none>\n");
}

struct PathCase {
  std::string_view path, printed;
};
class Jsonpath : public ::testing::TestWithParam<PathCase> {};
TEST_P(Jsonpath, Prints) {
  auto root = parse(R"({"kind":"List","items":[{"metadata":{"name":"a","labels":{"app.kubernetes.io/name":"x"}},"n":1},
                        {"metadata":{"name":"b"},"n":2}],"flag":true})");
  auto printed = format_jsonpath(GetParam().path, root.root);
  ASSERT_TRUE(printed) << printed.error().message();
  EXPECT_EQ(*printed, GetParam().printed);
}
INSTANTIATE_TEST_SUITE_P(Forms, Jsonpath, ::testing::Values(
    PathCase{"{.kind}", "List"}, PathCase{"{$.kind}", "List"}, PathCase{"{.items[*].metadata.name}", "a b"},
    PathCase{"{.items[0].n}-{.items[-1].n}", "1-2"}, PathCase{"{.flag}", "true"}, PathCase{"{.missing.deep}", ""},
    PathCase{R"({.items[0].metadata.labels.app\.kubernetes\.io/name})", "x"},
    PathCase{R"({.items[0].metadata.labels['app.kubernetes.io/name']})", "x"},
    PathCase{R"({range .items[*]}{.metadata.name}{"\n"}{end}end)", "a\nb\nend"},
    PathCase{"{range .none[*]}{.x}{end}after", "after"}, PathCase{"{.items[1].metadata}", R"({"name":"b"})"}));

TEST(JsonpathErrors, RefusesWhatItDoesNotKnow) {
  codec::Document root = parse("{}");
  for (std::string_view bad : {"{.a", "{range .a}", "{end}", "{.a[?(@.b==1)]}", "{a}"}) {
    EXPECT_FALSE(format_jsonpath(bad, root.root)) << bad;
  }
}

TEST(Durations, AsGoWritesThem) {
  EXPECT_EQ(parse_seconds("90s").value(), 90);
  EXPECT_EQ(parse_seconds("1h30m").value(), 5400);
  for (std::string_view bad : {"", "5", "s", "0s", "-1s", "1d"}) EXPECT_FALSE(parse_seconds(bad)) << bad;
}

TEST(Kubeconfig, ContextChoosesClusterAndUser) {
  constexpr std::string_view kConfig = R"(apiVersion: v1
kind: Config
current-context: a
contexts:
- name: a
  context: {cluster: c1, user: u1}
- name: b
  context: {cluster: c2, user: u2, namespace: web}
clusters:
- {name: c1, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: Y2E=}}
- {name: c2, cluster: {server: "http://127.0.0.1:8080"}}
users:
- {name: u1, user: {client-certificate-data: Y2VydA==, client-key-data: a2V5}}
- {name: u2, user: {token: secret}}
)";
  auto a = read_kubeconfig(kConfig, "", "/");
  ASSERT_TRUE(a) << a.error().message();
  EXPECT_EQ(a->ca_pem, "ca");
  EXPECT_EQ(a->certificate_pem, "cert");
  EXPECT_EQ(a->space, "default");
  auto b = read_kubeconfig(kConfig, "b", "/");
  ASSERT_TRUE(b);
  EXPECT_EQ(b->token, "secret");
  EXPECT_EQ(b->space, "web");
  EXPECT_FALSE(read_kubeconfig(kConfig, "c", "/"));
  EXPECT_FALSE(read_kubeconfig("kind: Config", "", "/"));
}

TEST(ServerError, SpeaksAsKubectlDoes) {
  EXPECT_EQ(server_error(404, R"({"kind":"Status","reason":"NotFound","message":"pods \"a\" not found","code":404})").message(),
            "Error from server (NotFound): pods \"a\" not found");
  EXPECT_EQ(server_error(422, R"({"kind":"Status","reason":"Invalid","message":"Deployment.apps \"a\" is invalid: spec.x: Required value",)"
                              R"("details":{"name":"a","group":"apps","kind":"Deployment"},"code":422})").message(),
            "The Deployment \"a\" is invalid: spec.x: Required value");
}

}  // namespace
}  // namespace kobuk::app::kubectl
