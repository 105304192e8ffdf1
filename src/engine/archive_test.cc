#include "engine/archive.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "engine/testing/temporary_folder.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

namespace fs = std::filesystem;

class ArchiveTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(from / "dir/sub");
    std::ofstream(from / "dir/file") << "content";
    fs::permissions(from / "dir/file", fs::perms(0640));
    fs::create_symlink("/etc/passwd", from / "dir/link");
    fs::create_hard_link(from / "dir/file", from / "dir/sub/hard");
    from_fd = sys::UniqueFd(open(from.path().c_str(), O_RDONLY | O_DIRECTORY));
    to_fd = sys::UniqueFd(open(to.path().c_str(), O_RDONLY | O_DIRECTORY));
  }
  std::string tar_of(const std::string& path) {
    auto tar = TarOfTree::open(from_fd.get(), path);
    EXPECT_TRUE(tar);
    std::string out;
    while (tar) {
      auto piece = (*tar)->next();
      EXPECT_TRUE(piece);
      if (!piece || piece->empty()) break;
      out += *piece;
    }
    return out;
  }
  Result<void> extract(std::string_view tar, ExtractOptions options = {}) {
    TreeOfTar sink(to_fd.get(), options);
    KOBUK_CHECK(sink.feed(tar));
    return sink.finish();
  }
  std::string tar_with(const codec::TarEntry& entry, std::string_view content = {}) {
    std::string out;
    codec::TarWriter writer([&](std::string_view bytes) -> Result<void> {
      out += bytes;
      return {};
    });
    EXPECT_TRUE(writer.add(entry, content));
    EXPECT_TRUE(writer.finish());
    return out;
  }
  TemporaryFolder from, to;
  sys::UniqueFd from_fd, to_fd;
};

TEST_F(ArchiveTest, ATreeComesBackAsItWas) {
  ASSERT_TRUE(extract(tar_of("/dir"), {.owner = std::pair(geteuid(), getegid())}));
  EXPECT_EQ(sys::read_file(to / "dir/file").value_or(""), "content");
  EXPECT_EQ(fs::read_symlink(to / "dir/link"), "/etc/passwd");
  EXPECT_EQ(fs::hard_link_count(to / "dir/file"), 2u);
  struct stat st {};
  ASSERT_EQ(stat((to / "dir/file").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777, 0640u);
}

TEST_F(ArchiveTest, CopyTreeTakesTheFoldersOwnAttributesToo) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to give files away";
  ASSERT_EQ(chown((from / "dir").c_str(), 101, 102), 0);
  ASSERT_EQ(chmod((from / "dir").c_str(), 0750), 0);
  sys::UniqueFd dir(open((from / "dir").c_str(), O_RDONLY | O_DIRECTORY));
  ASSERT_TRUE(copy_tree(dir.get(), to_fd.get()));
  struct stat st {};
  ASSERT_EQ(stat(to.path().c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 101u);
  EXPECT_EQ(st.st_mode & 07777, 0750u);
  EXPECT_EQ(sys::read_file(to / "sub/hard").value_or(""), "content");
}

TEST_F(ArchiveTest, NothingLeavesTheFolder) {
  TemporaryFolder outside;
  fs::create_symlink(outside.path(), to / "way-out");
  codec::TarEntry entry;
  for (const char* name : {"../evil", "way-out/evil", "/../../evil", "a/../../evil"}) {
    entry.name = name;
    auto result = extract(tar_with(entry, "x"), {.owner = std::pair(geteuid(), getegid())});
  }
  EXPECT_TRUE(fs::is_empty(outside.path()));
  EXPECT_FALSE(fs::exists(fs::path(to.path()).parent_path() / "evil"));
  codec::TarEntry link;
  link.type = codec::TarType::kHardLink, link.name = "stolen", link.linkname = "../../../../etc/shadow";
  auto linked = extract(tar_with(link), {.owner = std::pair(geteuid(), getegid())});
  EXPECT_FALSE(fs::exists(to / "stolen"));
  entry.name = "..";
  EXPECT_FALSE(extract(tar_with(entry, "x")));
}

TEST_F(ArchiveTest, AFolderDoesNotTakeAFilesPlaceWhereThatIsForbidden) {
  std::ofstream(to / "x") << "file";
  codec::TarEntry folder;
  folder.type = codec::TarType::kDirectory, folder.name = "x/", folder.mode = 0755;
  auto refused = extract(tar_with(folder), {.owner = std::pair(geteuid(), getegid()), .no_overwrite_dir_non_dir = true});
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message().find("cannot overwrite non-directory"), std::string::npos);
  ASSERT_TRUE(extract(tar_with(folder), {.owner = std::pair(geteuid(), getegid())}));
  EXPECT_TRUE(fs::is_directory(to / "x"));
}

TEST_F(ArchiveTest, StatTellsWhatDockerCpAsks) {
  auto link = stat_below(from_fd.get(), "/dir/link");
  ASSERT_TRUE(link);
  EXPECT_EQ(link->link_target, "/etc/passwd");
  EXPECT_NE(link->mode & 1u << 27, 0u);
  auto folder = stat_below(from_fd.get(), "/dir");
  ASSERT_TRUE(folder);
  EXPECT_EQ(folder->name, "dir");
  EXPECT_NE(folder->mode & 1u << 31, 0u);
  auto none = stat_below(from_fd.get(), "/nope");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kNotFound);
}

}  // namespace
}  // namespace kobuk::engine
