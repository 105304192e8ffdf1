#include "sys/file.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <thread>

#include "base/random.h"

namespace kobuk::sys {
namespace {

// What remove_tree() says of a folder with a bind mount of its own file system in it; in a mount namespace of its own.
int error_with_a_bind_mount(const std::string& tree, const std::string& data) {
  pid_t child = fork();
  if (child == 0) {
    if (unshare(CLONE_NEWNS) != 0 || mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount(data.c_str(), cat(tree, "/below/mounted").c_str(), nullptr, MS_BIND, nullptr) != 0)
      _exit(255);
    auto removed = remove_tree(tree);
    _exit(removed ? 0 : removed.error().system_errno());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WEXITSTATUS(status);
}

TEST(RemoveTree, StopsAtABindMountOfItsOwnFileSystem) {
  if (geteuid() != 0) GTEST_SKIP() << "mounts need root";
  std::string base = cat("/tmp/kobuk-test-", random_hex(8));
  ASSERT_TRUE(make_directories(base + "/tree/below/mounted") && make_directories(base + "/data"));
  ASSERT_TRUE(write_file(base + "/data/file", "precious"));
  EXPECT_EQ(error_with_a_bind_mount(base + "/tree", base + "/data"), EXDEV);
  EXPECT_EQ(read_file(base + "/data/file").value_or("gone"), "precious");
  EXPECT_TRUE(remove_tree(base));
  EXPECT_FALSE(exists(base));
}

TEST(RemoveTree, TwoAtOnceBothSucceed) {
  std::string base = cat("/tmp/kobuk-test-", random_hex(8));
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(make_directories(cat(base, "/", i, "/below")) && write_file(cat(base, "/", i, "/below/file"), "x"));
    }
    Result<void> other;
    std::thread thread([&] { other = remove_tree(base); });
    auto mine = remove_tree(base);
    thread.join();
    EXPECT_TRUE(mine) << mine.error().message();
    EXPECT_TRUE(other) << other.error().message();
    EXPECT_FALSE(exists(base));
  }
}

}  // namespace
}  // namespace kobuk::sys
