// Images against the real docker-registry, with images made by hand and copied there by skopeo. Unpacking needs root.
#include "image/images.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "codec/digest.h"
#include "image/testing/docker_registry.h"
#include "image/testing/sample.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

using namespace std::chrono_literals;

std::vector<std::string> sample_tars() {
  codec::TarEntry setuid = file_entry("bin/su", 04755, 0, 7);
  setuid.xattrs = {{"security.capability", std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}, {"trusted.note", "x"}};
  return {make_tar({{folder_entry("bin/"), ""}, {setuid, "su"}, {file_entry("bin/a", 0755, 1000, 1000), std::string(300'000, 'a')}, {folder_entry("etc/", 0700), ""},
                    {file_entry("etc/old"), "old"}, {symlink_entry("sh", "bin/a"), ""}, {hard_link_entry("bin/b", "bin/a"), ""}}),
          make_tar({{folder_entry("etc/"), ""}, {file_entry("etc/.wh.old"), ""}, {file_entry("etc/new"), "new"}, {folder_entry("bin/"), ""}, {file_entry("bin/.wh..wh..opq"), ""}, {file_entry("bin/c"), "c"}})};
}

struct ImagesTest : testing::Test {
  Scratch scratch;
  io::Loop loop;
  std::unique_ptr<DockerRegistry> registry;
  std::unique_ptr<Images> images;
  std::vector<std::string> lines;

  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "unpacking layers needs root";
    registry = DockerRegistry::start(scratch / "registry");
    if (!registry) GTEST_SKIP() << "docker-registry is not installed";
    open();
  }
  void open(std::map<std::string, std::vector<std::string>> mirrors = {}) {
    images = nullptr;
    auto opened = Images::open(loop, {.directory = scratch / "images", .mirrors = std::move(mirrors), .retry_backoff = 1ms});
    ASSERT_TRUE(opened) << opened.error().message();
    images = *std::move(opened);
  }
  SampleImage publish(const std::string& name, codec::Compression compression = codec::Compression::kGzip) {
    auto sample = write_layout(scratch / "layout", sample_tars(), compression);
    int status = 1;
    std::string said = run(cat("skopeo copy --insecure-policy --preserve-digests --dest-tls-verify=false oci:", scratch / "layout", ":latest docker://", registry->address(), '/', name), &status);
    EXPECT_EQ(status, 0) << said;
    return sample;
  }
  Result<ImageInfo> pull(const std::string& reference, std::string platform = "") {
    lines.clear();
    PullRequest request{.reference = reference, .platform = std::move(platform)};
    request.progress = [this](const PullProgress& line) { lines.push_back(cat(line.id, line.id.empty() ? "" : ": ", line.status)); };
    return loop.run_until_done(images->pull(std::move(request)));
  }
  std::string name(std::string rest) { return cat(registry->address(), '/', rest); }
};

TEST_F(ImagesTest, PullsWhatWasPushedFileByFile) {
  auto sample = publish("a/b:1");
  auto image = pull(name("a/b:1"));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->id, sample.config_digest);
  EXPECT_EQ(image->tags, std::vector<std::string>{name("a/b:1")});
  EXPECT_EQ(image->repo_digests, std::vector<std::string>{cat(name("a/b@"), sample.manifest_digest)});
  EXPECT_EQ(image->diff_ids, sample.diff_ids);
  EXPECT_EQ(image->size, 300'000 + 2 + 3 + 3 + 1);
  EXPECT_EQ(image->config.cmd, std::vector<std::string>{"/bin/true"});
  EXPECT_EQ(lines.front(), "1: Pulling from a/b");
  EXPECT_EQ(lines.back(), cat("Status: Downloaded newer image for ", name("a/b:1")));
  auto layers = loop.run_until_done(images->layers(image->id));
  ASSERT_TRUE(layers);
  ASSERT_EQ(layers->size(), 2u);
  EXPECT_EQ(describe_tree(layers->at(1)),
            "/ dir 0755 0:0 t" + describe_tree(layers->at(1)).substr(16, 10) +  // an implicit root has the time of its making
            "\n/bin dir 0755 0:0 t1600000000\n/bin/a file 0755 1000:1000 t1600000000 300000 " + std::string(codec::Digest::of(std::string(300'000, 'a')).short_hex()) +
            "\n/bin/b file 0755 1000:1000 t1600000000 300000 " + std::string(codec::Digest::of(std::string(300'000, 'a')).short_hex()) + " == /bin/a"
            "\n/bin/su file 4755 0:7 t1600000000 2 " + std::string(codec::Digest::of("su").short_hex()) +
            " security.capability=0100000200040000000000000000000000000000 trusted.note=78"
            "\n/etc dir 0700 0:0 t1600000000\n/etc/old file 0644 0:0 t1600000000 3 " + std::string(codec::Digest::of("old").short_hex()) +
            "\n/sh link 0777 0:0 t1600000000 -> bin/a");
  std::string top = describe_tree(layers->at(0));
  EXPECT_NE(top.find("/bin dir 0755 0:0 t1600000000 trusted.overlay.opaque=79"), std::string::npos) << top;
  EXPECT_NE(top.find("/etc/old char 0000 0:0"), std::string::npos) << top;
  EXPECT_EQ(top.find(".wh."), std::string::npos) << top;

  image = pull(name("a/b:1"));
  ASSERT_TRUE(image);
  EXPECT_EQ(lines.back(), cat("Status: Image is up to date for ", name("a/b:1")));
  open();
  EXPECT_EQ(images->find(name("a/b:1"))->id, sample.config_digest);
  EXPECT_EQ(images->find(sample.config_digest.substr(7, 12))->id, sample.config_digest);
  EXPECT_EQ(images->find(cat(name("a/b@"), sample.manifest_digest))->id, sample.config_digest);
  EXPECT_EQ(images->list().size(), 1u);
}

TEST_F(ImagesTest, AllCompressions) {
  for (auto compression : {codec::Compression::kNone, codec::Compression::kZstd}) {
    auto sample = publish("c:1", compression);
    auto image = pull(name(cat("c@", sample.manifest_digest)));
    ASSERT_TRUE(image) << image.error().message();
    EXPECT_TRUE(image->tags.empty());
    ASSERT_TRUE(loop.run_until_done(images->remove(image->id, true)));
    EXPECT_TRUE(images->list().empty());
    EXPECT_TRUE(sys::list_directory(scratch / "images/layers")->empty());
    EXPECT_TRUE(sys::list_directory(scratch / "images/blobs/sha256")->empty());
  }
}

TEST_F(ImagesTest, ErrorsInDockersWords) {
  auto missing = pull(name("none:1"));
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_EQ(missing.error().message(), cat("manifest for ", name("none:1"), " not found: manifest unknown: manifest unknown"));
  publish("a:1");
  auto platform = pull(name("a:1"), "linux/s390x");
  EXPECT_NE(platform.error().message().find("does not match the specified platform (linux/s390x)"), std::string::npos) << platform.error().message();
  auto refused = pull("127.0.0.1:1/x");
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_EQ(images->find("nginx").error().message(), "No such image: nginx:latest");
  EXPECT_TRUE(images->list().empty());
}

TEST_F(ImagesTest, MirrorsAreAskedFirst) {
  auto sample = publish("library/nginx:1.27");
  open({{"docker.io", {"http://127.0.0.1:1", cat("http://", registry->address())}}});
  auto image = pull("nginx:1.27");
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->tags, std::vector<std::string>{"nginx:1.27"});
  EXPECT_EQ(image->repo_digests, std::vector<std::string>{cat("nginx@", sample.manifest_digest)});
}

TEST_F(ImagesTest, PushesBackTheSame) {
  auto sample = publish("a:1");
  ASSERT_TRUE(pull(name("a:1")));
  ASSERT_TRUE(images->tag(name("a:1"), name("other/b:2")));
  auto pushed = loop.run_until_done(images->push({.reference = name("other/b:2"), .progress = [this](const PullProgress& line) { lines.push_back(line.status); }}));
  ASSERT_TRUE(pushed) << pushed.error().message();
  EXPECT_NE(std::find(lines.begin(), lines.end(), "Mounted from a"), lines.end());
  std::string inspected = run(cat("skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://", name("other/b:2")));
  EXPECT_EQ(trim(inspected), sample.manifest_digest);
  EXPECT_EQ(loop.run_until_done(images->push({.reference = name("nothing:1")})).error().message(), cat("An image does not exist locally with the tag: ", name("nothing")));
}

TEST_F(ImagesTest, ImportSaveLoad) {
  ASSERT_TRUE(sys::write_file(scratch / "root.tar", sample_tars()[0]));
  auto image = loop.run_until_done(images->import(scratch / "root.tar", "base:1", "{\"Cmd\":[\"/bin/a\"],\"Env\":[\"A=b\"]}"));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->tags, std::vector<std::string>{"base:1"});
  EXPECT_EQ(image->config.env, std::vector<std::string>{"A=b"});
  ASSERT_TRUE(images->tag("base:1", "copy"));
  auto saved = loop.run_until_done(images->save({"base:1", "copy:latest"}, scratch / "saved.tar"));
  ASSERT_TRUE(saved) << saved.error().message();
  auto removed = loop.run_until_done(images->remove("base:1", false));
  EXPECT_EQ(removed->untagged, std::vector<std::string>{"base:1"});
  EXPECT_TRUE(removed->deleted.empty());
  EXPECT_EQ(loop.run_until_done(images->remove("copy", false))->deleted, std::vector<std::string>{image->id});
  EXPECT_TRUE(images->list().empty());
  auto loaded = loop.run_until_done(images->load(scratch / "saved.tar"));
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(*loaded, (std::vector<std::string>{"base:1", "copy:latest"}));
  EXPECT_EQ(images->find("copy")->id, image->id);
  // What skopeo makes of it as a docker-archive loads too, and is the same image.
  int status = 1;
  std::string said = run(cat("skopeo copy --insecure-policy docker-archive:", scratch / "saved.tar", ":base:1 docker-archive:", scratch / "again.tar", ":again:1"), &status);
  ASSERT_EQ(status, 0) << said;
  loaded = loop.run_until_done(images->load(scratch / "again.tar"));
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(images->find("again:1")->diff_ids, image->diff_ids);
}

}  // namespace
}  // namespace kobuk::image
