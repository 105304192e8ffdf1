// Exec with the real docker client: what is left of one when its client has gone, or when somebody else holds its output.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/testing/docker_flow.h"

namespace kobuk::engine::testing {
namespace {

using ::testing::HasSubstr;

class DockerExec : public DockerFlow {
 protected:
  static int descriptors() {
    return static_cast<int>(parse_int(trim(shell(cat("ls /proc/", daemon->pid(), "/fd | wc -l")).text)).value_or(-1));
  }
  // The output, and how `timeout` ended it: 124 when it had to.
  static std::string within(int seconds, const std::string& arguments, const std::string& after = "") {
    return shell(cat("export DOCKER_HOST=unix://", world->docker_socket(), "; { timeout ", seconds, " docker ", arguments, "; [ $? = 124 ] && echo too long >&2; } ", after)).text;
  }
};

TEST_F(DockerExec, EndsForAClientThatReadsNoMore) {
  ok("run -d --name box busybox sleep 1000");
  EXPECT_EQ(within(20, "exec box yes", "| head -1"), "y\n");
  EXPECT_EQ(within(20, "exec box sh -c 'seq 1 200000; touch /tmp/done'", "| head -1"), "1\n");
  // The process is not its client's: it goes on, whoever reads.
  EXPECT_EQ(within(20, "exec box sh -c 'until [ -f /tmp/done ]; do sleep 0.05; done; echo done'"), "done\n");
}

TEST_F(DockerExec, AnOutputThatSomebodyElseHoldsEndsSoonAfterTheProcess) {
  ok("run -d --name box busybox sleep 1000");
  EXPECT_EQ(within(20, "exec box sh -c 'sleep 1000 & echo hi'"), "hi\n");
  EXPECT_EQ(docker("exec box sh -c 'sleep 1000 & exit 3'").code, 3);
  EXPECT_EQ(within(30, "exec box sh -c 'yes & echo hi >&2'", ">/dev/null"), "hi\n");
  // All that was written comes, however slowly it is read.
  EXPECT_EQ(within(30, "exec box sh -c 'sleep 1000 & head -c 300000 /dev/zero'", "| { sleep 4; wc -c; }"), "300000\n");
}

TEST_F(DockerExec, AHealthCheckEndsWithItsProcess) {
  // Within the start period the start interval holds.
  ok("run -d --name box --health-cmd 'sleep 1000 & echo fine; echo really >&2' --health-interval 1h --health-start-period 1m --health-start-interval 100ms busybox sleep 1000");
  std::string status;
  for (int tries = 0; tries < 100 && status != "healthy\n" && status != "unhealthy\n"; ++tries) status = ok("inspect -f '{{.State.Health.Status}}' box; sleep 0.1");
  EXPECT_EQ(status, "healthy\n");
  EXPECT_THAT(ok("inspect -f '{{(index .State.Health.Log 0).Output}}' box"), AllOf(HasSubstr("fine\n"), HasSubstr("really\n")));
}

TEST_F(DockerExec, LeavesNoDescriptorsBehind) {
  ok("run -d --name box busybox sleep 1000");
  ok("exec box true");
  int before = descriptors();
  for (int i = 0; i < 10; ++i) ok("exec box echo hi");
  for (int i = 0; i < 3; ++i) ok("exec -d box true");
  EXPECT_LE(descriptors(), before + 2);
}

}  // namespace
}  // namespace kobuk::engine::testing
