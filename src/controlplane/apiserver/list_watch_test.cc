// Lists and watches: pages, revisions, selectors, bookmarks, tables.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "controlplane/apiserver/testing/api_fixture.h"

namespace kobuk::controlplane {
namespace {

using apiserver::testing::ApiTest;
using apiserver::testing::Reply;

constexpr std::string_view kPods = "/api/v1/namespaces/default/pods";
constexpr std::string_view kTable = "application/json;as=Table;v=v1;g=meta.k8s.io";

class ListWatch : public ApiTest {
 protected:
  void make(std::string_view name) { ASSERT_EQ(post(std::string(kPods), pod(name)).status, 201); }
  void label(std::string_view name, std::string_view value) {
    auto done = patch(cat(kPods, "/", name), "application/merge-patch+json", cat(R"({"metadata":{"labels":{"app":")", value, R"("}}})"));
    ASSERT_EQ(done.status, 200) << done.body;
  }
  std::string names(const Reply& list) {
    std::string out;
    for (const auto& item : list.json["items"].items()) cat_to(out, out.empty() ? "" : " ", item["metadata"]["name"].as_string());
    return out;
  }
  std::string revision(const Reply& reply) { return std::string(reply.json["metadata"]["resourceVersion"].as_string()); }
};

TEST_F(ListWatch, PagesAreOfOneRevision) {
  for (auto name : {"a", "b", "c", "d"}) make(name);
  auto first = get(cat(kPods, "?limit=2"));
  EXPECT_EQ(names(first), "a b");
  EXPECT_EQ(first.json["metadata"]["remainingItemCount"].as_int(), 2);
  make("bb");
  auto second = get(cat(kPods, "?limit=2&continue=", first.json["metadata"]["continue"].as_string()));
  EXPECT_EQ(names(second), "c d");
  EXPECT_EQ(revision(second), revision(first));
  EXPECT_TRUE(second.json["metadata"]["continue"].is_null());
  EXPECT_EQ(get(cat(kPods, "?limit=2&continue=zzz")).status, 400);
  auto here = cat("continue=", first.json["metadata"]["continue"].as_string());
  EXPECT_EQ(get(cat("/api/v1/namespaces/a/pods?", here)).message(), "continue key is not valid: it is of another list");
  EXPECT_EQ(get(cat("/api/v1/namespaces/x/pods?", here)).status, 400);
  EXPECT_EQ(get(cat(kPods, "?fieldSelector=metadata.name%3Da&", here)).status, 400) << "of one object there is no next page";
}

TEST_F(ListWatch, PagesOfASelection) {
  for (auto name : {"a", "b", "c", "d"}) make(name);
  label("b", "x");
  label("d", "x");
  auto first = get(cat(kPods, "?limit=1&labelSelector=app%3Dx"));
  EXPECT_EQ(names(first), "b");
  EXPECT_TRUE(first.json["metadata"]["remainingItemCount"].is_null());
  auto second = get(cat(kPods, "?limit=1&labelSelector=app%3Dx&continue=", first.json["metadata"]["continue"].as_string()));
  EXPECT_EQ(names(second), "d");
}

TEST_F(ListWatch, ExpiredTokensSayHowToGoOn) {
  for (auto name : {"a", "b", "c"}) make(name);
  auto first = get(cat(kPods, "?limit=1"));
  make("d");
  ASSERT_TRUE(loop_.run_until_done(store_->compact(store_->revision())));
  auto expired = get(cat(kPods, "?limit=1&continue=", first.json["metadata"]["continue"].as_string()));
  EXPECT_EQ(expired.status, 410);
  EXPECT_EQ(expired.json["reason"].as_string(), "Expired");
  auto rest = get(cat(kPods, "?continue=", expired.json["metadata"]["continue"].as_string()));
  EXPECT_EQ(names(rest), "b c d");
}

TEST_F(ListWatch, ExactRevisions) {
  make("a");
  std::string before = revision(get(std::string(kPods)));
  make("b");
  EXPECT_EQ(names(get(cat(kPods, "?resourceVersionMatch=Exact&resourceVersion=", before))), "a");
  EXPECT_EQ(names(get(cat(kPods, "?resourceVersionMatch=NotOlderThan&resourceVersion=", before))), "a b");
  auto future = get(cat(kPods, "?resourceVersion=999999"));
  EXPECT_EQ(future.status, 504);
  EXPECT_EQ(future.json["details"]["causes"].at(0)["reason"].as_string(), "ResourceVersionTooLarge");
}

TEST_F(ListWatch, SelectionsSeeObjectsComeAndGo) {
  make("a");
  auto watch = open_watch(cat(kPods, "?watch=true&labelSelector=app%3Dx"));
  label("a", "x");
  EXPECT_EQ(watch.next(), "ADDED a");
  patch(cat(kPods, "/a"), "application/merge-patch+json", R"({"metadata":{"annotations":{"k":"v"}}})");
  EXPECT_EQ(watch.next(), "MODIFIED a");
  label("a", "y");
  EXPECT_EQ(watch.next(), "DELETED a");
  EXPECT_EQ(watch.last()["object"]["metadata"]["labels"]["app"].as_string(), "x");
  label("a", "x");
  EXPECT_EQ(watch.next(), "ADDED a");
  remove(cat(kPods, "/a"));
  EXPECT_EQ(watch.next(), "DELETED a");
}

TEST_F(ListWatch, WatchesGoOnFromARevision) {
  make("a");
  std::string from = revision(get(std::string(kPods)));
  make("b");
  make("c");
  auto late = open_watch(cat(kPods, "?watch=true&resourceVersion=", from));
  EXPECT_EQ(late.next(), "ADDED b");
  auto early = open_watch("/api/v1/pods?watch=true&resourceVersion=1");
  EXPECT_EQ(early.next(), "ADDED a");
  EXPECT_EQ(early.next(), "ADDED b");
  EXPECT_EQ(late.next(), "ADDED c");
  EXPECT_EQ(early.next(), "ADDED c");
  make("d");
  EXPECT_EQ(late.next(), "ADDED d");
  EXPECT_EQ(early.next(), "ADDED d");
}

TEST_F(ListWatch, ForgottenRevisionsExpire) {
  make("a");
  make("b");
  ASSERT_TRUE(loop_.run_until_done(store_->compact(store_->revision())));
  auto watch = open_watch(cat(kPods, "?watch=true&resourceVersion=1"));
  EXPECT_TRUE(watch.next().starts_with("ERROR too old resource version: 1 ("));
  EXPECT_EQ(watch.last()["object"]["code"].as_int(), 410);
  EXPECT_EQ(watch.next(), "end");
}

TEST_F(ListWatch, OneThatDoesNotReadPinsNoMoreThanABound) {
  constexpr std::string_view kMaps = "/api/v1/namespaces/default/configmaps";
  auto reads = open_watch(cat(kMaps, "?watch=true")), sleeps = open_watch(cat(kMaps, "?watch=true"));
  const std::string big(500'000, 'x');
  for (int i = 0; i < 70; ++i) {
    std::string name = cat("m", i);
    ASSERT_EQ(post(std::string(kMaps), cat(R"({"metadata":{"name":")", name, R"("},"data":{"d":")", big, "\"}}")).status, 201);
    ASSERT_EQ(reads.next(), cat("ADDED ", name));
  }
  EXPECT_TRUE(sleeps.next().starts_with("ERROR too old resource version: "));
  EXPECT_EQ(sleeps.next(), "end");
  ASSERT_EQ(remove(cat(kMaps, "/m0")).status, 200);
  EXPECT_EQ(reads.next(), "DELETED m0");
}

TEST_F(ListWatch, InitialEventsEndWithABookmark) {
  make("a");
  auto watch = open_watch(cat(kPods, "?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"));
  EXPECT_EQ(watch.next(), "ADDED a");
  EXPECT_EQ(watch.next(), cat("BOOKMARK ", revision(get(std::string(kPods)))));
  EXPECT_EQ(watch.last()["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"].as_string(), "true");
  make("b");
  EXPECT_EQ(watch.next(), "ADDED b");
}

TEST_F(ListWatch, EndsAtItsTime) {
  auto watch = open_watch(cat(kPods, "?watch=true&timeoutSeconds=1"));
  EXPECT_EQ(watch.next(), "end");
}

TEST_F(ListWatch, OneObjectByName) {
  make("a");
  auto watch = open_watch("/api/v1/pods?watch=true&fieldSelector=metadata.name%3Db");
  make("ab");
  make("b");
  EXPECT_EQ(watch.next(), "ADDED b");
  auto by_path = open_watch("/api/v1/watch/namespaces/default/pods/a");
  EXPECT_EQ(by_path.next(), "ADDED a");
}

TEST_F(ListWatch, SpeaksTables) {
  make("a");
  auto list = get(std::string(kPods), kTable);
  EXPECT_EQ(list.json["kind"].as_string(), "Table");
  EXPECT_EQ(list.json["rows"].at(0)["cells"].at(0).as_string(), "a");
  EXPECT_EQ(list.json["rows"].at(0)["object"]["kind"].as_string(), "PartialObjectMetadata");
  auto watch = open_watch(cat(kPods, "?watch=true"), kTable);
  watch.next();
  EXPECT_EQ(watch.last()["object"]["kind"].as_string(), "Table");
  EXPECT_GT(watch.last()["object"]["columnDefinitions"].size(), 0u);
  auto metadata = get(std::string(kPods), "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
  EXPECT_EQ(metadata.json["kind"].as_string(), "PartialObjectMetadataList");
  EXPECT_TRUE(metadata.json["items"].at(0)["spec"].is_null());
}

TEST_F(ListWatch, ShutdownEndsWatches) {
  auto watch = open_watch(cat(kPods, "?watch=true"));
  loop_.run_until_done(server_->shutdown());
  EXPECT_EQ(watch.next(), "end");
}

}  // namespace
}  // namespace kobuk::controlplane
