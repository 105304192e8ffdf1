// The registry by hand, request by request as the distribution-spec has them, and by skopeo as a real client.
#include "image/registry_server.h"

#include <gtest/gtest.h>

#include "codec/digest.h"
#include "codec/json.h"
#include "image/testing/sample.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

using io::http::Body;
using io::http::Request;
using io::http::Response;
using namespace std::chrono_literals;

struct Answer {
  int status = 0;
  io::http::Headers headers;
  std::string body;
  std::string error_code() const {
    auto document = codec::parse_json(body);
    return document ? std::string(document->root["errors"].at(0)["code"].as_string()) : body;
  }
};

io::Task<Answer> ask(io::http::Handler* handler, Request request) {
  Response response = co_await handler->handle(std::move(request));
  Answer out;
  out.status = response.status;
  out.headers = std::move(response.headers);
  auto body = co_await response.body.read_all(64 << 20);
  out.body = body ? *body : body.error().message();
  co_return out;
}

struct RegistryTest : testing::Test {
  Scratch scratch;
  io::Loop loop;
  std::unique_ptr<RegistryServer> registry;
  void SetUp() override { reopen(); }
  void reopen() {
    registry = nullptr;
    auto opened = RegistryServer::open(loop, scratch / "registry");
    ASSERT_TRUE(opened) << opened.error().message();
    registry = *std::move(opened);
  }
  Answer send(std::string method, std::string target, std::string body = "", std::vector<std::pair<std::string, std::string>> headers = {}) {
    Request request;
    request.method = std::move(method);
    request.target = std::move(target);
    request.body = Body(std::move(body));
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    return loop.run_until_done(ask(registry.get(), std::move(request)));
  }
  std::string put_blob(const std::string& repository, const std::string& bytes) {
    std::string digest = codec::Digest::of(bytes).text();
    EXPECT_EQ(send("POST", cat("/v2/", repository, "/blobs/uploads/?digest=", digest), bytes).status, 201);
    return digest;
  }
  std::string put_manifest(const std::string& repository, const std::string& tag, const std::string& more = "") {
    std::string config = put_blob(repository, cat("{\"tag\":\"", tag, "\"}"));
    std::string bytes = cat("{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":{\"mediaType\":\"application/vnd.oci.image.config.v1+json\",\"digest\":\"",
                            config, "\",\"size\":9},\"layers\":[]", more, "}");
    Answer put = send("PUT", cat("/v2/", repository, "/manifests/", tag), bytes, {{"Content-Type", "application/vnd.oci.image.manifest.v1+json"}});
    EXPECT_EQ(put.status, 201) << put.body;
    EXPECT_EQ(put.headers.get("Docker-Content-Digest"), codec::Digest::of(bytes).text());
    return codec::Digest::of(bytes).text();
  }
};

TEST_F(RegistryTest, VersionAndUnknownPaths) {
  EXPECT_EQ(send("GET", "/v2/").status, 200);
  EXPECT_EQ(send("GET", "/v2/").headers.get("Docker-Distribution-Api-Version"), "registry/2.0");
  EXPECT_EQ(send("GET", "/v1/").status, 404);
  EXPECT_EQ(send("GET", "/v2/a/b").status, 404);
  EXPECT_EQ(send("GET", "/v2/A/tags/list").error_code(), "NAME_INVALID");
  EXPECT_EQ(send("GET", "/v2/a/../b/tags/list").error_code(), "NAME_INVALID");
  EXPECT_EQ(send("GET", "/v2/_layers/tags/list").error_code(), "NAME_INVALID");
  EXPECT_EQ(send("POST", "/v2/a/manifests/x").status, 405);
  EXPECT_EQ(send("GET", "/v2/a/manifests/%2e%2e").status, 404);
  EXPECT_EQ(send("GET", "/v2/none/manifests/x").error_code(), "NAME_UNKNOWN");
  EXPECT_EQ(send("GET", "/v2/none/tags/list").error_code(), "NAME_UNKNOWN");
}

TEST_F(RegistryTest, BlobsInChunksWithRangesAndMounts) {
  Answer begun = send("POST", "/v2/a/b/blobs/uploads/");
  EXPECT_EQ(begun.status, 202);
  std::string location(begun.headers.get("Location"));
  Answer chunk = send("PATCH", location, "01234", {{"Content-Range", "0-4"}});
  EXPECT_EQ(chunk.status, 202);
  EXPECT_EQ(chunk.headers.get("Range"), "0-4");
  Answer wrong = send("PATCH", location, "xx", {{"Content-Range", "9-10"}});
  EXPECT_EQ(wrong.status, 416);
  EXPECT_EQ(wrong.headers.get("Range"), "0-4");
  EXPECT_EQ(send("GET", location).status, 204);
  EXPECT_EQ(send("GET", location).headers.get("Range"), "0-4");
  EXPECT_EQ(send("PATCH", location, "56", {{"Content-Range", "5-6"}}).headers.get("Range"), "0-6");
  std::string digest = codec::Digest::of("0123456789").text();
  Answer done = send("PUT", cat(location, "?digest=", digest), "789");
  EXPECT_EQ(done.status, 201) << done.body;
  EXPECT_EQ(done.headers.get("Location"), cat("/v2/a/b/blobs/", digest));
  EXPECT_EQ(send("GET", location).error_code(), "BLOB_UPLOAD_UNKNOWN");

  std::string blob = cat("/v2/a/b/blobs/", digest);
  EXPECT_EQ(send("GET", blob).body, "0123456789");
  EXPECT_EQ(send("GET", blob).headers.get("Docker-Content-Digest"), digest);
  for (auto [range, status, body] : std::vector<std::tuple<std::string, int, std::string>>{
           {"bytes=2-4", 206, "234"}, {"bytes=7-", 206, "789"}, {"bytes=-2", 206, "89"}, {"bytes=-99", 206, "0123456789"}, {"bytes=9-99", 206, "9"},
           {"bytes=x", 200, "0123456789"}, {"bytes=1-2,4-5", 200, "0123456789"}, {"bytes=4-2", 200, "0123456789"}}) {
    Answer part = send("GET", blob, "", {{"Range", range}});
    EXPECT_EQ(part.status, status) << range;
    EXPECT_EQ(part.body, body) << range;
  }
  EXPECT_EQ(send("GET", blob, "", {{"Range", "bytes=10-"}}).status, 416);
  EXPECT_EQ(send("GET", cat("/v2/other/blobs/", digest)).error_code(), "BLOB_UNKNOWN");  // another repository's
  EXPECT_EQ(send("POST", cat("/v2/c/blobs/uploads/?from=none&mount=", digest)).status, 202);
  EXPECT_EQ(send("POST", cat("/v2/c/blobs/uploads/?from=a/b&mount=", digest)).status, 201);
  EXPECT_EQ(send("DELETE", blob).status, 202);
  EXPECT_EQ(send("GET", blob).status, 404);
  EXPECT_EQ(send("GET", cat("/v2/c/blobs/", digest)).body, "0123456789");
  EXPECT_EQ(send("DELETE", cat("/v2/c/blobs/", digest)).status, 202);
  EXPECT_TRUE(sys::list_directory(scratch / "registry/blobs/sha256")->empty());
}

TEST_F(RegistryTest, UploadsThatAreWrong) {
  std::string digest = codec::Digest::of("right").text();
  EXPECT_EQ(send("POST", cat("/v2/a/blobs/uploads/?digest=", digest), "wrong").error_code(), "DIGEST_INVALID");
  std::string location(send("POST", "/v2/a/blobs/uploads/").headers.get("Location"));
  EXPECT_EQ(send("PUT", cat(location, "?digest=sha256:12"), "x").error_code(), "DIGEST_INVALID");
  location = send("POST", "/v2/a/blobs/uploads/").headers.get("Location");
  EXPECT_EQ(send("PATCH", "/v2/b" + location.substr(5), "x").status, 404);  // of another repository
  EXPECT_EQ(send("DELETE", location).status, 204);
  EXPECT_EQ(send("PATCH", location, "x").status, 404);
  registry = nullptr;
  EXPECT_TRUE(sys::list_directory(scratch / "registry/ingest")->empty());
}

TEST_F(RegistryTest, ManifestsTagsAndCatalog) {
  std::string one = put_manifest("a", "one"), two = put_manifest("a", "two");
  put_manifest("b/c", "x");
  EXPECT_EQ(send("GET", "/v2/a/manifests/one").headers.get("Content-Type"), "application/vnd.oci.image.manifest.v1+json");
  EXPECT_EQ(codec::Digest::of(send("GET", "/v2/a/manifests/one").body).text(), one);
  EXPECT_EQ(send("HEAD", cat("/v2/a/manifests/", two)).status, 200);
  EXPECT_EQ(send("GET", "/v2/a/manifests/none").error_code(), "MANIFEST_UNKNOWN");
  EXPECT_EQ(send("GET", "/v2/_catalog").body, "{\"repositories\":[\"a\",\"b/c\"]}\n");
  EXPECT_EQ(send("GET", "/v2/a/tags/list").body, "{\"name\":\"a\",\"tags\":[\"one\",\"two\"]}\n");
  Answer page = send("GET", "/v2/a/tags/list?n=1");
  EXPECT_EQ(page.body, "{\"name\":\"a\",\"tags\":[\"one\"]}\n");
  EXPECT_EQ(page.headers.get("Link"), "</v2/a/tags/list?last=one&n=1>; rel=\"next\"");
  page = send("GET", "/v2/a/tags/list?n=1&last=one");
  EXPECT_EQ(page.body, "{\"name\":\"a\",\"tags\":[\"two\"]}\n");
  EXPECT_FALSE(page.headers.has("Link"));
  EXPECT_EQ(send("GET", "/v2/a/tags/list?n=0").body, "{\"name\":\"a\",\"tags\":[]}\n");
  EXPECT_EQ(send("GET", "/v2/a/tags/list?n=x").status, 400);
  reopen();
  EXPECT_EQ(send("GET", "/v2/a/manifests/one").status, 200);
  EXPECT_EQ(send("DELETE", "/v2/a/manifests/two").status, 202);
  EXPECT_EQ(send("GET", cat("/v2/a/manifests/", two)).status, 200);  // the tag alone is gone
  EXPECT_EQ(send("DELETE", cat("/v2/a/manifests/", one)).status, 202);
  EXPECT_EQ(send("GET", "/v2/a/manifests/one").status, 404);
  EXPECT_EQ(send("GET", "/v2/a/tags/list").body, "{\"name\":\"a\",\"tags\":[]}\n");
}

TEST_F(RegistryTest, ManifestsThatAreWrong) {
  auto put = [&](std::string reference, std::string bytes, std::string type) { return send("PUT", cat("/v2/a/manifests/", reference), bytes, {{"Content-Type", type}}).error_code(); };
  const std::string oci = "application/vnd.oci.image.manifest.v1+json", digest = "sha256:" + std::string(64, 'a');
  EXPECT_EQ(put("x", "nonsense", oci), "MANIFEST_INVALID");
  EXPECT_EQ(put("x", "{\"schemaVersion\":1}", "application/vnd.docker.distribution.manifest.v1+json"), "MANIFEST_INVALID");
  std::string bytes = cat("{\"schemaVersion\":2,\"mediaType\":\"", oci, "\",\"config\":{\"mediaType\":\"x\",\"digest\":\"", digest, "\",\"size\":1},\"layers\":[]}");
  EXPECT_EQ(put("x", bytes, oci), "MANIFEST_BLOB_UNKNOWN");
  EXPECT_EQ(put(digest, bytes, oci), "DIGEST_INVALID");
  EXPECT_EQ(put("-x", bytes, oci), "TAG_INVALID");
  EXPECT_EQ(put("x", bytes, "application/vnd.oci.image.index.v1+json"), "MANIFEST_INVALID");
  EXPECT_EQ(put("x", std::string((4 << 20) + 1, ' '), oci), "MANIFEST_INVALID");
}

TEST_F(RegistryTest, Referrers) {
  std::string subject = put_manifest("a", "image");
  std::string more = cat(",\"subject\":{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"", subject, "\",\"size\":3},\"artifactType\":\"x/y\",\"annotations\":{\"k\":\"v\"}");
  std::string signature = put_manifest("a", "sig", more);
  auto document = codec::parse_json(send("GET", cat("/v2/a/referrers/", subject)).body);
  ASSERT_TRUE(document);
  ASSERT_EQ(document->root["manifests"].size(), 1u);
  EXPECT_EQ(document->root["manifests"].at(0)["digest"].as_string(), signature);
  EXPECT_EQ(document->root["manifests"].at(0)["artifactType"].as_string(), "x/y");
  EXPECT_EQ(document->root["manifests"].at(0)["annotations"]["k"].as_string(), "v");
  Answer other = send("GET", cat("/v2/a/referrers/", subject, "?artifactType=z"));
  EXPECT_EQ(other.headers.get("OCI-Filters-Applied"), "artifactType");
  EXPECT_EQ(other.headers.get("Content-Type"), "application/vnd.oci.image.index.v1+json");
  EXPECT_NE(other.body.find("\"manifests\":[]"), std::string::npos);
  send("DELETE", cat("/v2/a/manifests/", signature));
  EXPECT_NE(send("GET", cat("/v2/a/referrers/", subject)).body.find("\"manifests\":[]"), std::string::npos);
}

TEST_F(RegistryTest, OneProcessAtATime) {
  auto second = RegistryServer::open(loop, scratch / "registry");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kFailedPrecondition);
}

TEST_F(RegistryTest, SkopeoPushesAndPulls) {
  if (!sys::exists("/usr/bin/skopeo")) GTEST_SKIP() << "skopeo is not installed";
  io::http::Server server(loop, *registry);
  ASSERT_TRUE(server.listen("127.0.0.1:0", nullptr));
  std::string big(3'000'000, 'x');
  for (size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * i >> 7);
  auto sample = write_layout(scratch / "layout", {make_tar({{file_entry("big"), big}}), make_tar({{file_entry("small"), "s"}})}, codec::Compression::kGzip);
  auto shell = [&](std::string command) {
    auto work = [command] {
      int status = 1;
      std::string said = run(command, &status);
      return std::make_pair(status, said);
    };
    return loop.run_until_done(loop.offload("test", work));
  };
  std::string there = cat("docker://127.0.0.1:", server.port(), "/x/y:1"), other = cat("docker://127.0.0.1:", server.port(), "/z:2");
  auto [pushed, said] = shell(cat("skopeo copy --insecure-policy --dest-tls-verify=false oci:", scratch / "layout", ":latest ", there));
  ASSERT_EQ(pushed, 0) << said;
  auto [copied, said2] = shell(cat("skopeo copy --insecure-policy --src-tls-verify=false --dest-tls-verify=false ", there, " ", other));
  ASSERT_EQ(copied, 0) << said2;
  auto [pulled, said3] = shell(cat("skopeo copy --insecure-policy --src-tls-verify=false ", other, " oci:", scratch / "back", ":latest"));
  ASSERT_EQ(pulled, 0) << said3;
  auto back = sys::list_directory(scratch / "back/blobs/sha256"), sent = sys::list_directory(scratch / "layout/blobs/sha256");
  EXPECT_EQ(*back, *sent);
  auto [inspected, digest] = shell(cat("skopeo inspect --tls-verify=false --format '{{.Digest}}' ", other));
  EXPECT_EQ(trim(digest), sample.manifest_digest);
  auto [deleted, said4] = shell(cat("skopeo delete --tls-verify=false ", other));
  EXPECT_EQ(deleted, 0) << said4;
  auto [gone, said5] = shell(cat("skopeo inspect --tls-verify=false ", other));
  EXPECT_NE(gone, 0);
  auto [tags, list] = shell(cat("skopeo list-tags --tls-verify=false ", there.substr(0, there.size() - 2)));
  EXPECT_NE(list.find("\"1\""), std::string::npos) << list;
}

}  // namespace
}  // namespace kobuk::image
