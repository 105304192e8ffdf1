// Layers as they come, and as no honest builder makes them. Needs root: owners, devices, trusted xattrs.
#include "image/unpack.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/layers.h"
#include "image/testing/sample.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

struct UnpackTest : testing::Test {
  Scratch scratch;
  std::string root = scratch / "layer";
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "unpacking layers needs root";
    ASSERT_TRUE(sys::write_file(scratch / "outside", "untouched"));
    ASSERT_TRUE(sys::make_directories(scratch / "folder"));
  }
  // What stands beside the layer is as it was.
  void TearDown() override {
    if (geteuid() != 0) return;
    auto names = sys::list_directory(scratch.path());
    std::erase(*names, "layer");
    EXPECT_EQ(*names, (std::vector<std::string>{"folder", "outside"}));
    EXPECT_EQ(*sys::read_file(scratch / "outside"), "untouched");
    EXPECT_TRUE(sys::list_directory(scratch / "folder")->empty());
  }
  Result<int64_t> unpack(const std::string& tar, UnpackLimits limits = {}) {
    if (!sys::remove_tree(root)) std::abort();
    KOBUK_TRY(auto unpacker, Unpacker::create(root, limits));
    for (size_t at = 0; at < tar.size(); at += 700) KOBUK_CHECK(unpacker->feed(std::string_view(tar).substr(at, 700)));
    return unpacker->finish();
  }
  std::string tree() { return describe_tree(root); }
};

TEST_F(UnpackTest, EveryKindOfEntry) {
  codec::TarEntry device = file_entry("dev/null", 0666);
  device.type = codec::TarType::kCharDevice;
  device.devmajor = 1, device.devminor = 3;
  codec::TarEntry pipe = file_entry("dev/pipe", 0600, 4'000'000'000, 3);
  pipe.type = codec::TarType::kFifo;
  codec::TarEntry sticky = folder_entry("tmp", 01777);
  sticky.mtime_nanos = 5;
  ASSERT_TRUE(unpack(make_tar({{folder_entry("./", 0711), ""}, {folder_entry("dev/"), ""}, {device, ""}, {pipe, ""}, {sticky, ""}, {file_entry("tmp/s", 06755, 5, 6), "x"}, {symlink_entry("l", "/nowhere"), ""}})));
  std::string made = tree();
  EXPECT_NE(made.find("/ dir 0711 0:0 t1600000000\n"), std::string::npos) << made;
  EXPECT_NE(made.find("/dev/null char 0666 0:0 t1600000000 1:3"), std::string::npos) << made;
  EXPECT_NE(made.find("/dev/pipe fifo 0600 4000000000:3 t1600000000"), std::string::npos) << made;
  EXPECT_NE(made.find("/tmp dir 1777 0:0 t1600000000"), std::string::npos) << made;
  EXPECT_NE(made.find("/tmp/s file 6755 5:6"), std::string::npos) << made;
  EXPECT_NE(made.find("/l link 0777 0:0 t1600000000 -> /nowhere"), std::string::npos) << made;
}

TEST_F(UnpackTest, NamesThatLeadOut) {
  for (const std::string& name : {"../outside", "a/../../outside", "..", "../folder/x", "./../outside"}) {
    auto done = unpack(make_tar({{file_entry(name), "evil"}}));
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().code(), Code::kInvalid);
    EXPECT_FALSE(unpack(make_tar({{hard_link_entry("x", name), ""}}))) << name;
  }
  // Absolute names and ".." that stay inside are below the root.
  ASSERT_TRUE(unpack(make_tar({{file_entry("/etc/passwd"), "p"}, {file_entry("a/../b"), "b"}, {file_entry("//c//d/."), "d"}})));
  EXPECT_EQ(*sys::read_file(root + "/etc/passwd"), "p");
  EXPECT_EQ(*sys::read_file(root + "/b"), "b");
  EXPECT_EQ(*sys::read_file(root + "/c/d"), "d");
}

TEST_F(UnpackTest, LinksThatLeadOut) {
  std::string outside = scratch / "outside", folder = scratch / "folder";
  // Through a symlink, absolute or climbing, a name is below the root all the same.
  for (const std::string& target : {folder, std::string("../folder"), std::string("../../../../../../../../") + folder}) {
    auto done = unpack(make_tar({{symlink_entry("s", target), ""}, {file_entry("s/x"), "evil"}}));
    EXPECT_TRUE(sys::list_directory(folder)->empty()) << target;
    // A parent that is swapped for a link later.
    done = unpack(make_tar({{folder_entry("s"), ""}, {file_entry("s/y"), "1"}, {symlink_entry("s", target), ""}, {file_entry("s/x"), "evil"}}));
    EXPECT_TRUE(sys::list_directory(folder)->empty()) << target;
    // A link through a link, and whiteouts and folders through one.
    done = unpack(make_tar({{symlink_entry("a", target), ""}, {symlink_entry("b", "a"), ""}, {file_entry("b/.wh.x"), ""}, {folder_entry("b/z"), ""}, {file_entry("b/.wh..wh..opq"), ""}}));
    EXPECT_TRUE(sys::list_directory(folder)->empty()) << target;
  }
  // A file over a symlink replaces the link; a hard link to a symlink is a link to the link; through one it stays inside.
  ASSERT_TRUE(unpack(make_tar({{symlink_entry("s", outside), ""}, {file_entry("s"), "evil"}})));
  EXPECT_EQ(*sys::read_file(root + "/s"), "evil");
  ASSERT_TRUE(unpack(make_tar({{symlink_entry("s", outside), ""}, {hard_link_entry("h", "s"), ""}, {file_entry("h"), "evil"}})));
  EXPECT_FALSE(unpack(make_tar({{symlink_entry("s", scratch.path()), ""}, {hard_link_entry("h", "s/outside"), ""}})));
  EXPECT_FALSE(unpack(make_tar({{hard_link_entry("h", outside), ""}})));
  EXPECT_FALSE(unpack(make_tar({{symlink_entry("p", "/proc/self/root"), ""}, {hard_link_entry("h", cat("p", outside)), ""}})));
  // Links in a circle end with an error.
  EXPECT_FALSE(unpack(make_tar({{symlink_entry("a", "b"), ""}, {symlink_entry("b", "a"), ""}, {file_entry("a/x"), ""}})));
}

TEST_F(UnpackTest, Whiteouts) {
  for (const std::string& name : {".wh.", "a/.wh..", ".wh..."}) EXPECT_FALSE(unpack(make_tar({{file_entry(name), ""}}))) << name;
  ASSERT_TRUE(unpack(make_tar({{file_entry("a/.wh.gone"), ""}, {file_entry("a/.wh..wh.aufs"), "x"}, {file_entry(".wh..wh.plnk/1"), "x"}})));
  EXPECT_NE(tree().find("/a/gone char 0000 0:0"), std::string::npos) << tree();
  EXPECT_EQ(tree().find(".wh."), std::string::npos) << tree();
  // A whiteout hides lower layers only: what this layer holds under the name stays, whichever comes first.
  ASSERT_TRUE(unpack(make_tar({{file_entry("f"), "new"}, {file_entry(".wh.f"), ""}, {folder_entry("d"), ""}, {file_entry("d/x"), "x"}, {file_entry(".wh.d"), ""}})));
  EXPECT_EQ(*sys::read_file(root + "/f"), "new");
  EXPECT_NE(tree().find("/d dir 0755 0:0 t1600000000 trusted.overlay.opaque=79\n/d/x file"), std::string::npos) << tree();
  ASSERT_TRUE(unpack(make_tar({{file_entry(".wh.f"), ""}, {file_entry("f"), "new"}, {file_entry(".wh.d"), ""}, {folder_entry("d"), ""}, {file_entry("d/x"), "x"}})));
  EXPECT_EQ(*sys::read_file(root + "/f"), "new");
  EXPECT_NE(tree().find("/d dir 0755 0:0 t1600000000 trusted.overlay.opaque=79\n/d/x file"), std::string::npos) << tree();
}

TEST_F(UnpackTest, XattrsThatWouldMeanSomethingToOverlayfs) {
  codec::TarEntry entry = folder_entry("d");
  entry.xattrs = {{"trusted.overlay.opaque", "y"}, {"trusted.overlay.redirect", "/etc"}, {"user.overlay.opaque", "y"}, {"trusted.fine", "1"}};
  ASSERT_TRUE(unpack(make_tar({{entry, ""}})));
  EXPECT_NE(tree().find("/d dir 0755 0:0 t1600000000 trusted.fine=31"), std::string::npos) << tree();
  EXPECT_EQ(tree().find("overlay"), std::string::npos) << tree();
}

TEST_F(UnpackTest, Bounds) {
  std::string tar = make_tar({{file_entry("a"), std::string(100'000, 'x')}, {file_entry("b"), std::string(100'000, 'x')}});
  EXPECT_TRUE(unpack(tar));
  EXPECT_EQ(unpack(tar, {.max_bytes = 150'000}).error().code(), Code::kTooLarge);
  EXPECT_EQ(unpack(tar, {.max_entries = 1}).error().code(), Code::kTooLarge);
  EXPECT_EQ(unpack(tar, {.min_free = 1ull << 60}).error().code(), Code::kResourceExhausted);
  TarContent many;
  for (int i = 0; i < 100; ++i) many.push_back({folder_entry(cat("d", i)), ""});
  EXPECT_EQ(unpack(make_tar(many), {.max_bytes = 300'000}).error().code(), Code::kTooLarge);
  // One entry that makes very many folders.
  std::string deep = "a";
  while (deep.size() < 900) deep += "/a";
  EXPECT_EQ(unpack(make_tar({{file_entry(deep), ""}}), {.max_bytes = 300'000}).error().code(), Code::kTooLarge);
}

// A tree too deep for a walk by recursion can be made through links, and must be removable.
TEST_F(UnpackTest, DeepTreesCanBeRemoved) {
  std::string deep = "a";
  while (deep.size() < 800) deep += "/a";
  TarContent content = {{folder_entry(deep), ""}};
  std::string link;
  for (int i = 0; i < 4; ++i) {
    content.push_back({symlink_entry(cat('s', i), cat(link, deep)), ""});
    content.push_back({folder_entry(cat('s', i, '/', deep)), ""});
    link = cat('s', i, '/');
  }
  ASSERT_TRUE(unpack(make_tar(content)));
  auto removed = sys::remove_tree(root);
  EXPECT_TRUE(removed) << removed.error().message();
  EXPECT_FALSE(sys::exists(root));
}

TEST_F(UnpackTest, AReplacedFolderIsAskedForAnew) {
  ASSERT_TRUE(unpack(make_tar({{file_entry("d/a"), "1"}, {file_entry("d"), "file"}, {folder_entry("d"), ""}, {file_entry("d/b"), "2"}})));
  EXPECT_EQ(*sys::read_file(root + "/d/b"), "2");
  EXPECT_FALSE(sys::exists(root + "/d/a"));
  // The folder of the entry before is replaced as a sibling's parent.
  ASSERT_TRUE(unpack(make_tar({{file_entry("p/q/a"), "1"}, {file_entry("p/q"), "file"}, {file_entry("p/q2"), "x"}, {symlink_entry("p/r", "q"), ""}})));
}

// Fails at every step of the disk in turn: what was begun is gone, and nothing stands that is not whole.
TEST_F(UnpackTest, ALayerIsWholeOrAbsent) {
  std::string tar = make_tar({{file_entry("a"), std::string(10'000, 'x')}, {folder_entry("d"), ""}, {file_entry("d/b"), "b"}});
  std::string bytes = codec::compress(codec::Compression::kGzip, tar);
  Scratch store;
  auto blobs = Blobs::open(store.path());
  ASSERT_TRUE(blobs);
  codec::Digest digest = codec::Digest::of(bytes), diff_id = codec::Digest::of(tar);
  auto attempt = [&](std::string_view fed, LayerIngest::Options options) -> Result<LayerIngest::Finished> {
    KOBUK_TRY(auto ingest, LayerIngest::create(*blobs, options));
    KOBUK_CHECK(ingest->feed(fed));
    return ingest->finish();
  };
  auto empty = [&] { return sys::list_directory(store / "ingest")->empty() && sys::list_directory(store / "blobs/sha256")->empty() && !has_layer(**blobs, diff_id); };
  for (size_t cut = 0; cut < bytes.size(); cut += 7) {
    EXPECT_FALSE(attempt(std::string_view(bytes).substr(0, cut), {.digest = digest, .diff_id = diff_id})) << cut;
    ASSERT_TRUE(empty()) << cut;
  }
  for (size_t at = 0; at < bytes.size(); at += 5) {
    std::string damaged = bytes;
    damaged[at] ^= 0x40;
    auto done = attempt(damaged, {.digest = digest, .diff_id = diff_id});
    EXPECT_FALSE(done) << at;
    ASSERT_TRUE(empty()) << at;
  }
  EXPECT_EQ(attempt(bytes, {.digest = digest, .diff_id = digest}).error().code(), Code::kDataLoss);
  EXPECT_EQ(attempt(bytes, {.digest = digest, .diff_id = diff_id, .size = 3}).error().code(), Code::kDataLoss);
  EXPECT_EQ(attempt(bytes, {.digest = digest, .limits = {.max_bytes = 100}}).error().code(), Code::kTooLarge);
  ASSERT_TRUE(empty());
  auto done = attempt(bytes, {.digest = digest, .diff_id = diff_id, .size = static_cast<int64_t>(bytes.size())});
  ASSERT_TRUE(done) << done.error().message();
  EXPECT_EQ(done->size, 10'001);
  EXPECT_EQ(*layer_size(**blobs, diff_id), 10'001);
  EXPECT_TRUE((*blobs)->has(digest));
  EXPECT_TRUE(attempt(bytes, {.digest = digest, .diff_id = diff_id}));  // once more is as good
  EXPECT_TRUE(sys::list_directory(store / "ingest")->empty());
}

}  // namespace
}  // namespace kobuk::image
