#include "image/manifest.h"

#include <gtest/gtest.h>

namespace kobuk::image {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string descriptor(std::string type, std::string more = "") {
  return cat("{\"mediaType\":\"", type, "\",\"digest\":\"", kDigest, "\",\"size\":7", more, "}");
}
std::string manifest(std::string type, std::string config = "application/vnd.oci.image.config.v1+json") {
  return cat("{\"schemaVersion\":2,", type.empty() ? "" : cat("\"mediaType\":\"", type, "\","), "\"config\":", descriptor(config),
             ",\"layers\":[", descriptor("application/vnd.oci.image.layer.v1.tar+gzip"), "]}");
}
std::string index(std::vector<std::string> platforms) {
  std::string entries;
  for (const std::string& p : platforms) {
    auto parts = split(p, '/');
    cat_to(entries, entries.empty() ? "" : ",",
           descriptor(std::string(media::kOciManifest),
                      cat(",\"annotations\":{\"org.opencontainers.image.ref.name\":\"", p, "\"},\"platform\":{\"os\":\"", parts[0],
                          "\",\"architecture\":\"", parts[1], "\",\"variant\":\"", parts.size() > 2 ? parts[2] : "", "\"}")));
  }
  return cat("{\"schemaVersion\":2,\"manifests\":[", entries, "]}");
}

TEST(Manifest, OciAndDockerAndWithoutMediaType) {
  for (std::string_view type : {media::kOciManifest, media::kDockerManifest}) {
    auto content = parse_content(manifest(std::string(type)), "");
    ASSERT_TRUE(content && content->manifest);
    EXPECT_EQ(content->manifest->media_type, type);
    EXPECT_EQ(content->manifest->layers.size(), 1u);
    EXPECT_EQ(content->manifest->layers[0].digest.text(), kDigest);
    auto by_header = parse_content(manifest(""), cat(type, "; charset=utf-8"));
    EXPECT_EQ(by_header->manifest->media_type, type);
  }
  EXPECT_EQ(parse_content(manifest(""), "text/plain")->manifest->media_type, media::kOciManifest);
  EXPECT_TRUE(parse_content(index({"linux/amd64"}), "")->index);
}

TEST(Manifest, RefusesByName) {
  auto schema1 = parse_content("{\"schemaVersion\":1,\"name\":\"x\",\"fsLayers\":[]}", "");
  ASSERT_FALSE(schema1);
  EXPECT_EQ(schema1.error().code(), Code::kUnsupported);
  EXPECT_NE(schema1.error().message().find("schema 1 is not supported"), std::string::npos);
  EXPECT_FALSE(parse_content(manifest(""), media::kDockerSchema1Signed));
  for (const std::string& bad : std::vector<std::string>{std::string("[]"), std::string("{}"), std::string("{\"schemaVersion\":2}"), std::string("x"),
                          "{\"schemaVersion\":2,\"layers\":[],\"manifests\":[]}", manifest("application/x"),
                          manifest(std::string(media::kOciIndex)),
                          std::string("{\"schemaVersion\":2,\"config\":{\"digest\":\"sha256:../x\",\"size\":1},\"layers\":[]}"),
                          "{\"schemaVersion\":2,\"config\":{\"digest\":\"" + kDigest + "\",\"size\":-1},\"layers\":[]}"}) {
    EXPECT_FALSE(parse_content(bad, "")) << bad;
  }
  EXPECT_TRUE(check_is_image(*parse_content(manifest(""), "")->manifest));
  auto helm = check_is_image(*parse_content(manifest("", "application/vnd.cncf.helm.config.v1+json"), "")->manifest);
  EXPECT_EQ(helm.error().code(), Code::kUnsupported);
}

TEST(Manifest, ChoosesThePlatform) {
  auto chosen = [](std::vector<std::string> offered, std::string wanted) -> std::string {
    auto content = parse_content(index(offered), "");
    auto found = choose_platform(*content->index, *parse_platform(wanted));
    return found ? found->reference_name : found.error().message();
  };
  EXPECT_EQ(chosen({"linux/arm64/v8", "linux/amd64", "windows/amd64"}, "linux/amd64"), "linux/amd64");
  EXPECT_EQ(chosen({"linux/amd64", "linux/arm64"}, "linux/aarch64"), "linux/arm64");
  EXPECT_EQ(chosen({"linux/arm/v5", "linux/arm/v6"}, "linux/arm/v7"), "linux/arm/v6");
  EXPECT_EQ(chosen({"linux/arm/v7", "linux/arm/v6"}, "linux/arm/v6"), "linux/arm/v6");
  EXPECT_EQ(chosen({"linux/amd64/v3", "linux/amd64"}, "amd64"), "linux/amd64");
  EXPECT_EQ(chosen({"linux/amd64", "unknown/unknown"}, "linux/arm64"), "no matching manifest for linux/arm64/v8 in the manifest list entries");
  EXPECT_FALSE(parse_platform("linux/amd64/v1/x"));
  EXPECT_FALSE(parse_platform("linux//x"));
  EXPECT_FALSE(parse_platform("linux/a b"));
}

TEST(Manifest, ReadsConfigs) {
  auto config = parse_config(R"({"architecture":"amd64","os":"linux","created":"2024-05-01T10:00:00.5Z","config":{"User":"1:2",
    "Env":["A=b"],"Entrypoint":["/x"],"Cmd":["y","z"],"WorkingDir":"/w","ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},
    "Labels":{"k":"v"},"StopSignal":"SIGQUIT"},"rootfs":{"type":"layers","diff_ids":[")" + kDigest + R"("]}})");
  ASSERT_TRUE(config) << config.error().message();
  EXPECT_EQ(config->config.user, "1:2");
  EXPECT_EQ(config->config.cmd, (std::vector<std::string>{"y", "z"}));
  EXPECT_EQ(config->config.exposed_ports, std::vector<std::string>{"80/tcp"});
  EXPECT_EQ(config->config.labels.at("k"), "v");
  EXPECT_EQ(config->config.stop_signal, "SIGQUIT");
  EXPECT_EQ(config->diff_ids, std::vector<std::string>{kDigest});
  EXPECT_EQ(format_rfc3339_nano(config->created), "2024-05-01T10:00:00.5Z");
  EXPECT_TRUE(parse_config("{\"config\":null,\"rootfs\":{\"type\":\"layers\",\"diff_ids\":null}}"));
  EXPECT_FALSE(parse_config("{\"rootfs\":{\"type\":\"x\"}}"));
  EXPECT_FALSE(parse_config("{\"rootfs\":{\"diff_ids\":[\"sha256:1\"]}}"));
}

}  // namespace
}  // namespace kobuk::image
