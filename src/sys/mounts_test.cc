#include "sys/mounts.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/file.h"

namespace kobuk::sys {
namespace {

constexpr std::string_view kMountinfo =
    "21 1 254:0 / / rw - ext4 /dev/vda rw\n"
    "30 21 0:30 / /var/lib/kobuk/a/node rw - tmpfs tmpfs rw\n"
    "31 30 0:31 / /var/lib/kobuk/a/node/with\\040blank rw - tmpfs tmpfs rw\n"
    "32 21 0:32 / /var/lib/kobuk/ab rw - tmpfs tmpfs rw\n"
    "broken line\n";

TEST(Mounts, BelowAFolderDeepestFirst) {
  EXPECT_EQ(mounts_below(kMountinfo, "/var/lib/kobuk/a"),
            (std::vector<std::string>{"/var/lib/kobuk/a/node/with blank", "/var/lib/kobuk/a/node"}));
}

TEST(Mounts, TheFolderItselfButNoNamesake) {
  EXPECT_EQ(mounts_below(kMountinfo, "/var/lib/kobuk/ab"), (std::vector<std::string>{"/var/lib/kobuk/ab"}));
  EXPECT_TRUE(mounts_below(kMountinfo, "/nowhere").empty());
}

TEST(Mounts, AChrootIsSeen) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root: makes a mount namespace";
  EXPECT_FALSE(*in_chroot());
  char name[] = "/tmp/chroot-test-XXXXXX";
  const std::string root = mkdtemp(name), proc = root + "/proc";
  ASSERT_TRUE(make_directories(proc, 0755));
  pid_t child = fork();
  if (child == 0) {
    bool made = unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                mount("/proc", proc.c_str(), nullptr, MS_BIND | MS_REC, nullptr) == 0 && chroot(root.c_str()) == 0;
    auto seen = in_chroot();
    _exit(made && seen && *seen ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(remove_tree(root));
}

}  // namespace
}  // namespace kobuk::sys
