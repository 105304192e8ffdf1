#include "sys/mounts.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace kobuk::sys
