#include "controlplane/apiserver/request_info.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "controlplane/apiserver/list_options.h"
#include "controlplane/apiserver/negotiation.h"
#include "controlplane/apiserver/service_range.h"

namespace kobuk::controlplane::apiserver {
namespace {

std::string describe(std::string_view method, std::string_view path, std::string_view query = {}) {
  auto info = parse_request_info(method, path, *io::http::parse_query(query));
  if (!info) return "unreadable";
  if (!info->is_resource) return cat(info->verb, " path ", info->path);
  return cat(info->verb, " ", info->group, "/", info->version, " ", info->space, "/", info->resource, "/", info->name, "/", info->subresource, info->rest);
}

TEST(RequestInfo, ReadsResourcesOfBothForms) {
  EXPECT_EQ(describe("GET", "/api/v1/namespaces/default/pods/web"), "get /v1 default/pods/web/");
  EXPECT_EQ(describe("GET", "/api/v1/namespaces/default/pods"), "list /v1 default/pods//");
  EXPECT_EQ(describe("GET", "/api/v1/pods", "watch=true"), "watch /v1 /pods//");
  EXPECT_EQ(describe("GET", "/api/v1/pods", "watch=false"), "list /v1 /pods//");
  EXPECT_EQ(describe("GET", "/api/v1/watch/namespaces/default/pods"), "watch /v1 default/pods//");
  EXPECT_EQ(describe("GET", "/api/v1/pods", "watch=1&fieldSelector=metadata.name%3Dx"), "watch /v1 /pods/x/");
  EXPECT_EQ(describe("DELETE", "/apis/apps/v1/namespaces/a/deployments"), "deletecollection apps/v1 a/deployments//");
  EXPECT_EQ(describe("PATCH", "/apis/apps/v1/namespaces/a/deployments/d/scale"), "patch apps/v1 a/deployments/d/scale");
  EXPECT_EQ(describe("GET", "/api/v1/namespaces/a/pods/p/proxy/x/y"), "get /v1 a/pods/p/proxy/x/y");
}

TEST(RequestInfo, KnowsNamespacesThemselves) {
  EXPECT_EQ(describe("GET", "/api/v1/namespaces"), "list /v1 /namespaces//");
  EXPECT_EQ(describe("GET", "/api/v1/namespaces/a"), "get /v1 /namespaces/a/");
  EXPECT_EQ(describe("PUT", "/api/v1/namespaces/a/finalize"), "update /v1 /namespaces/a/finalize");
  EXPECT_EQ(describe("PUT", "/api/v1/namespaces/a/status"), "update /v1 /namespaces/a/status");
}

TEST(RequestInfo, LeavesOtherPathsAlone) {
  EXPECT_EQ(describe("GET", "/healthz"), "get path /healthz");
  EXPECT_EQ(describe("GET", "/apis/apps/v1"), "get path /apis/apps/v1");
  EXPECT_EQ(describe("GET", "/api/v1"), "get path /api/v1");
  EXPECT_EQ(describe("GET", "/api/v1/namespaces/%zz/pods"), "unreadable");
  EXPECT_EQ(describe("GET", "/api/v1/namespaces/a/pods/.."), "unreadable");
  EXPECT_EQ(describe("GET", "/api/v1/namespaces/a/pods/a%2Fb"), "unreadable");
}

TEST(ListOptions, RefusesWhatKubernetesRefuses) {
  auto error = [](std::string_view query, bool watch) {
    auto options = parse_list_options(*io::http::parse_query(query), watch);
    return options ? std::string() : options.error().message;
  };
  EXPECT_EQ(error("limit=5&resourceVersion=7&resourceVersionMatch=Exact", false), "");
  EXPECT_EQ(error("resourceVersionMatch=Exact", false),
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided");
  EXPECT_EQ(error("resourceVersionMatch=Exact&resourceVersion=0", false),
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  EXPECT_EQ(error("sendInitialEvents=true", false),
            "ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list");
  EXPECT_NE(error("sendInitialEvents=true", true), "");
  EXPECT_EQ(error("sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan", true), "");
  EXPECT_NE(error("resourceVersion=x", false), "");
}

TEST(ListOptions, ContinuesWhereItStopped) {
  auto token = encode_continuation({7, "default/a"});
  auto back = decode_continuation(token);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->revision, 7);
  EXPECT_EQ(back->start, "default/a");
  EXPECT_FALSE(decode_continuation("nonsense"));
  EXPECT_FALSE(decode_continuation(encode_continuation({7, "../secrets"})));
}

TEST(Negotiation, TakesTheFirstThatItCanGive) {
  auto shape = [](std::string_view accept) {
    auto accepted = negotiate(accept);
    return accepted ? static_cast<int>(accepted->shape) : -1;
  };
  EXPECT_EQ(shape(""), static_cast<int>(Shape::kObject));
  EXPECT_EQ(shape("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), static_cast<int>(Shape::kTable));
  EXPECT_EQ(shape("application/vnd.kubernetes.protobuf,application/json"), static_cast<int>(Shape::kObject));
  EXPECT_EQ(shape("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json"), static_cast<int>(Shape::kAggregatedDiscovery));
  EXPECT_EQ(shape("application/vnd.kubernetes.protobuf"), -1);
  EXPECT_EQ(shape("text/html"), -1);
  EXPECT_TRUE(negotiate("application/yaml")->yaml);
}

TEST(ServiceRange, GivesOutTheUpperPart) {
  ServiceRange range("10.96.0.0/16");
  EXPECT_EQ(range.at(1), "10.96.0.1");
  EXPECT_EQ(range.at(258), "10.96.1.2");
  EXPECT_EQ(range.dynamic(), (std::pair<uint32_t, uint32_t>(257, 65278)));
  EXPECT_TRUE(range.contains("10.96.255.254"));
  EXPECT_FALSE(range.contains("10.96.255.255"));
  EXPECT_FALSE(range.contains("10.97.0.1"));
  EXPECT_FALSE(range.contains("10.96.0.0"));
  EXPECT_FALSE(ServiceRange("10.96.0.0/33").valid());
  EXPECT_FALSE(ServiceRange("fd00::/108").valid());
}

}  // namespace
}  // namespace kobuk::controlplane::apiserver
