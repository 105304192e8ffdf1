#include "runtime/user.h"

#include <gtest/gtest.h>

namespace kobuk::runtime {
namespace {

constexpr std::string_view kPasswd =
    "# comment\n"
    "root:x:0:0:root:/root:/bin/sh\n"
    "broken line\n"
    "alice:x:1000:1001::/home/alice:/bin/sh\n"
    "homeless:x:1002:1002\n"
    "4000:x:5000:5001::/home/digits:/bin/sh\n";
constexpr std::string_view kGroup =
    "root:x:0:\nstaff:x:50:bob,alice\naudio:x:63:alice\nempty:x:70:\nbad:x:y:alice\n";

TEST(User, IsFoundByNameOrNumber) {
  auto alice = look_up_user("alice", kPasswd, kGroup);
  ASSERT_TRUE(alice.has_value());
  EXPECT_EQ(alice->uid, 1000u);
  EXPECT_EQ(alice->gid, 1001u);
  EXPECT_EQ(alice->groups, (std::vector<uint32_t>{50, 63}));
  EXPECT_EQ(alice->home, "/home/alice");
  EXPECT_EQ(look_up_user("1000", kPasswd, kGroup)->gid, 1001u);
  EXPECT_EQ(look_up_user("1000", kPasswd, kGroup)->groups, (std::vector<uint32_t>{50, 63}));
  EXPECT_EQ(look_up_user("homeless", kPasswd, kGroup)->home, "/");
  // A name that is a number wins over the number.
  EXPECT_EQ(look_up_user("4000", kPasswd, kGroup)->uid, 5000u);
}

TEST(User, NumbersNeedNoEntry) {
  auto user = look_up_user("777", kPasswd, kGroup);
  ASSERT_TRUE(user.has_value());
  EXPECT_EQ(user->uid, 777u);
  EXPECT_EQ(user->gid, 0u);
  EXPECT_EQ(user->home, "/");
  EXPECT_EQ(look_up_user("777:888", "", "")->gid, 888u);
}

TEST(User, ANamedGroupReplacesAllOthers) {
  auto user = look_up_user("alice:empty", kPasswd, kGroup);
  ASSERT_TRUE(user.has_value());
  EXPECT_EQ(user->gid, 70u);
  EXPECT_TRUE(user->groups.empty());
  EXPECT_EQ(look_up_user(":staff", kPasswd, kGroup)->gid, 50u);
}

TEST(User, SaysWhatIsMissing) {
  EXPECT_EQ(look_up_user("bob", kPasswd, kGroup).error().message(),
            "unable to find user bob: no matching entries in passwd file");
  EXPECT_EQ(look_up_user("alice:x", kPasswd, kGroup).error().message(),
            "unable to find group x: no matching entries in group file");
  EXPECT_FALSE(look_up_user("4294967295", kPasswd, kGroup).has_value());
  EXPECT_EQ(look_up_user("bob", kPasswd, kGroup).error().code(), Code::kNotFound);
}

TEST(User, HomesGoByNumber) {
  EXPECT_EQ(home_of(1000, kPasswd), "/home/alice");
  EXPECT_EQ(home_of(9, kPasswd), "/");
}

}  // namespace
}  // namespace kobuk::runtime
