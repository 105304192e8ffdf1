#include "node/volumes.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strings.h"
#include "node/atomic_writer.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {

class Volumes : public ::testing::Test {
 protected:
  Volumes() {
    char name[] = "/tmp/kobuk-volumes-XXXXXX";
    root = mkdtemp(name);
    pod_root = root + "/pods/u1";
  }
  ~Volumes() override {
    EXPECT_TRUE(remove_pod_directory(pod_root));
    EXPECT_TRUE(sys::remove_tree(root));
  }
  static std::string link(const std::string& path) {
    char buffer[256];
    ssize_t length = ::readlink(path.c_str(), buffer, sizeof buffer);
    return length < 0 ? "" : std::string(buffer, static_cast<size_t>(length));
  }
  static mode_t mode(const std::string& path) {
    struct stat info{};
    return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
  }
  static bool am_root() { return ::geteuid() == 0; }
  std::string text(const std::string& path) { return sys::read_file(path).value_or("(none)"); }

  std::string root, pod_root;
  WallTime now{std::chrono::seconds(1'767'323'045)};
};

TEST_F(Volumes, AreWrittenAsAWhole) {
  std::string dir = root + "/v";
  VolumePayload payload{{"a.txt", {"one", 0644}}, {"sub/b.txt", {"two", 0400}}};
  EXPECT_EQ(write_payload(dir, payload, {}, now).value(), true);
  EXPECT_EQ(text(dir + "/a.txt"), "one");
  EXPECT_EQ(text(dir + "/sub/b.txt"), "two");
  EXPECT_EQ(mode(dir + "/sub/b.txt"), 0400u);
  EXPECT_EQ(link(dir + "/a.txt"), "..data/a.txt");
  EXPECT_TRUE(link(dir + "/..data").starts_with("..2026_01_02_03_04_05."));
  std::string before = link(dir + "/..data");
  EXPECT_EQ(write_payload(dir, payload, {}, now).value(), false);  // nothing to do
  EXPECT_EQ(link(dir + "/..data"), before);
  payload.erase("a.txt");
  payload["c.txt"] = {"three", 0644};
  EXPECT_EQ(write_payload(dir, payload, {}, now).value(), true);
  EXPECT_NE(link(dir + "/..data"), before);
  EXPECT_EQ(text(dir + "/c.txt"), "three");
  EXPECT_EQ(sys::list_directory(dir)->size(), 4u);  // ..<time> ..data c.txt sub
  payload["c.txt"].mode = 0600;
  EXPECT_EQ(write_payload(dir, payload, {}, now).value(), true);
  EXPECT_EQ(write_payload(dir, {}, {}, now).value(), true);
  EXPECT_EQ(sys::list_directory(dir)->size(), 2u);
}

TEST_F(Volumes, RefuseBadPaths) {
  for (const char* bad : {"", "/a", "..", "../a", "a/../b", "a//b", "..a", "a/."}) EXPECT_FALSE(check_payload_path(bad)) << bad;
  for (const char* good : {"a", ".a", "a/b", "a..b", "a/..b"}) EXPECT_TRUE(check_payload_path(good)) << good;
  EXPECT_FALSE(write_payload(root + "/v", {{"../x", {"", 0644}}}, {}, now));
}

TEST_F(Volumes, BelongToTheGroup) {
  if (!am_root()) GTEST_SKIP() << "needs root: gives files to another group";
  std::string dir = root + "/v";
  ASSERT_TRUE(write_payload(dir, {{"a", {"one", 0400}}}, 4242, now));
  struct stat info{};
  ASSERT_EQ(::stat((dir + "/a").c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, 4242u);
  EXPECT_EQ(info.st_mode & 07777, 0440u);
  VolumePlan empty{.name = "e", .kind = VolumeKind::kEmptyDir, .path = pod_root + "/volumes/kubernetes.io~empty-dir/e", .gid = 4242};
  ASSERT_TRUE(apply_volume(empty, now));
  ASSERT_EQ(::stat(empty.path.c_str(), &info), 0);
  EXPECT_EQ(info.st_gid, 4242u);
  EXPECT_EQ(info.st_mode & 07777, 02777u);
}

TEST_F(Volumes, OfMemoryAreMountedOnceAndTakenAway) {
  if (!am_root()) GTEST_SKIP() << "needs root: mounts a tmpfs";
  VolumePlan plan{.name = "m", .kind = VolumeKind::kMemory, .path = pod_root + "/volumes/kubernetes.io~empty-dir/m", .size = 1 << 20};
  ASSERT_TRUE(apply_volume(plan, now));
  ASSERT_TRUE(sys::write_file(plan.path + "/x", "kept"));
  ASSERT_TRUE(apply_volume(plan, now));
  EXPECT_EQ(text(plan.path + "/x"), "kept");
  EXPECT_FALSE(sys::write_file(plan.path + "/big", std::string(2 << 20, 'x')));
  ASSERT_TRUE(unmount_volumes(pod_root));
  EXPECT_EQ(text(plan.path + "/x"), "(none)");
  EXPECT_EQ(sys::read_file("/proc/self/mountinfo", 1 << 20)->find(root), std::string::npos);
}

TEST_F(Volumes, CheckTheTypesOfHostPaths) {
  auto apply = [&](const std::string& path, const std::string& type) {
    return apply_volume({.name = "h", .kind = VolumeKind::kHostPath, .path = path, .host_path_type = type}, now);
  };
  EXPECT_TRUE(apply(root + "/none", ""));
  EXPECT_EQ(apply(root + "/none", "Directory").error().message(), cat("hostPath type check failed: ", root, "/none is not a directory"));
  EXPECT_TRUE(apply(root + "/made", "DirectoryOrCreate"));
  EXPECT_TRUE(apply(root + "/made", "Directory"));
  EXPECT_EQ(apply(root + "/made", "File").error().message(), cat("hostPath type check failed: ", root, "/made is not a file"));
  EXPECT_TRUE(apply(root + "/file", "FileOrCreate"));
  EXPECT_TRUE(apply("/dev/null", "CharDevice"));
  EXPECT_FALSE(apply("/dev/null", "BlockDevice"));
}

TEST_F(Volumes, ShowSubPathsOfTheVolumeAlone) {
  if (!am_root()) GTEST_SKIP() << "needs root: binds";
  std::string volume = root + "/v";
  ASSERT_TRUE(write_payload(volume, {{"cfg", {"text", 0644}}}, {}, now));
  auto at = prepare_sub_path({.volume = "v", .volume_path = volume, .sub_path = "cfg", .container = "a", .index = 1}, pod_root);
  ASSERT_TRUE(at) << at.error().message();
  EXPECT_EQ(*at, pod_root + "/volume-subpaths/v/a/1");
  EXPECT_EQ(text(*at), "text");
  ASSERT_TRUE(prepare_sub_path({.volume = "v", .volume_path = volume, .sub_path = "cfg", .container = "a", .index = 1}, pod_root));
  // What a container has put there does not lead out of the volume.
  ASSERT_EQ(::symlink("/etc", (volume + "/out").c_str()), 0);
  auto escaped = prepare_sub_path({.volume = "v", .volume_path = volume, .sub_path = "out/passwd", .container = "a", .index = 2}, pod_root);
  if (escaped) EXPECT_NE(text(*escaped), text("/etc/passwd"));
  EXPECT_FALSE(prepare_sub_path({.volume = "v", .volume_path = volume, .sub_path = "../x", .container = "a", .index = 3}, pod_root));
  auto made = prepare_sub_path({.volume = "v", .volume_path = volume, .sub_path = "new/dir", .container = "a", .index = 4}, pod_root);
  ASSERT_TRUE(made);
  ASSERT_TRUE(sys::write_file(*made + "/x", "y"));
  EXPECT_EQ(text(volume + "/new/dir/x"), "y");
  ASSERT_TRUE(remove_pod_directory(pod_root));
  EXPECT_EQ(text(volume + "/new/dir/x"), "y");
  EXPECT_EQ(sys::read_file("/proc/self/mountinfo", 1 << 20)->find(root), std::string::npos);
}

}  // namespace
}  // namespace kobuk::node
