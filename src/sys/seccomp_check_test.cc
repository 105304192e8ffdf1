#include "sys/seccomp_check.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>

#include "sys/process.h"
#include "sys/seccomp.h"

namespace kobuk::sys {
namespace {

TEST(SeccompCheck, AnswersAsTheProfileSays) {
  SeccompProfile profile{.default_action = SeccompAction::kErrno, .default_error = 1, .architectures = {"x86"}};
  profile.rules = {{{"read", "setsid"}, SeccompAction::kAllow},
                   {{"write"}, SeccompAction::kLog},
                   {{"close"}, SeccompAction::kKillProcess},
                   {{"clone"}, SeccompAction::kAllow, 0, {{0, SeccompArgument::Op::kMaskedEqual, 0x7e020000, 0}}},
                   {{"ioctl"}, SeccompAction::kAllow, 0, {{1, SeccompArgument::Op::kGreaterOrEqual, uint64_t{1} << 33}}}};
  auto filter = compile_seccomp(profile);
  ASSERT_TRUE(filter) << filter.error().message();
  EXPECT_TRUE(seccomp_allows(*filter, {SYS_read}));
  EXPECT_TRUE(seccomp_allows(*filter, {SYS_setsid}));
  EXPECT_TRUE(seccomp_allows(*filter, {SYS_write}));
  EXPECT_FALSE(seccomp_allows(*filter, {SYS_close}));
  EXPECT_FALSE(seccomp_allows(*filter, {SYS_openat}));
  EXPECT_TRUE(seccomp_allows(*filter, {SYS_clone, {kSiblingFlags}}));
  EXPECT_FALSE(seccomp_allows(*filter, {SYS_clone, {CLONE_NEWUSER | SIGCHLD}}));
  EXPECT_FALSE(seccomp_allows(*filter, {SYS_ioctl, {0, ~uint32_t{0}}}));
  EXPECT_TRUE(seccomp_allows(*filter, {SYS_ioctl, {0, uint64_t{1} << 33}}));
  EXPECT_FALSE(seccomp_allows("", {SYS_read}));
  EXPECT_FALSE(seccomp_allows(std::string(8, '\xff'), {SYS_read}));
}

}  // namespace
}  // namespace kobuk::sys
