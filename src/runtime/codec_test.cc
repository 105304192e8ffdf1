// What goes to disk and over sockets comes back as it was, and anything else is refused.
#include <gtest/gtest.h>

#include "base/random.h"
#include "runtime/defaults.h"
#include "runtime/plan.h"
#include "runtime/protocol.h"
#include "runtime/state.h"

namespace kobuk::runtime {
namespace {

sys::HostFacts facts() {
  sys::HostFacts facts;
  facts.kernel_major = 6, facts.kernel_minor = 12, facts.machine = "x86_64",
  facts.own_capabilities = ~uint64_t{0};
  facts.cgroups = {sys::CgroupMode::kV2, {{"/sys/fs/cgroup", {"cpu", "memory", "pids"}, "/", true}}};
  return facts;
}

Plan sample() {
  ContainerSpec spec = default_container_spec("a", facts());
  spec.rootfs.lower = {"/l"};
  spec.process.args = {"sh", "-c", ""};
  spec.process.rlimits = {{7, 1, ~uint64_t{0}}};
  spec.mounts.push_back({"/data", "/src", "bind", {"rbind", "ro", "rshared"}});
  spec.cgroup_path = "/k/a";
  spec.limits = {.memory_max = 1 << 20, .pids_max = 5};
  spec.log = {LogFormat::kCri, "/var/log/x", 100, 3};
  return *make_plan(spec, facts());
}

TEST(PlanCodec, RoundTrips) {
  Plan plan = sample();
  plan.process.seccomp_filter = std::string("\0\1\2", 3);
  std::string bytes = encode_plan(plan);
  auto back = decode_plan(bytes);
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(encode_plan(*back), bytes);
  EXPECT_EQ(describe(*back), describe(plan));
  EXPECT_EQ(back->steps, plan.steps);
  EXPECT_EQ(back->cgroup, plan.cgroup);
  EXPECT_EQ(back->process.seccomp_filter, plan.process.seccomp_filter);
  EXPECT_EQ(back->log.max_files, 3u);
  std::string process = encode_process(plan.process);
  ASSERT_TRUE(decode_process(process).has_value());
  EXPECT_EQ(encode_process(*decode_process(process)), process);
}

TEST(PlanCodec, RefusesEveryTruncationAndTail) {
  std::string bytes = encode_plan(sample());
  for (size_t i = 0; i < bytes.size(); ++i) EXPECT_FALSE(decode_plan(bytes.substr(0, i)).has_value()) << i;
  EXPECT_FALSE(decode_plan(bytes + "x").has_value());
  bytes[0] = 9;
  EXPECT_EQ(decode_plan(bytes).error().code(), Code::kDataLoss);
}

TEST(State, RoundTrips) {
  ContainerState state{
      .phase = Phase::kPaused, .pid = 17, .pid_start_time = 1u << 31, .monitor_pid = 4, .exit_code = 3};
  state.oom_killed = true;
  state.started = WallTime{Duration{1'700'000'000'123'456'789}};
  state.cgroup_path = "/a b%c";
  state.error = std::string("two\nlines\0%", 11);
  auto back = decode_state(encode_state(state));
  ASSERT_TRUE(back.has_value()) << back.error().message();
  EXPECT_EQ(*back, state);
}

TEST(State, SkipsWhatItDoesNotKnowAndRefusesTheRest) {
  EXPECT_TRUE(decode_state("phase running\ncolour blue\n").has_value());
  for (const char* bad :
       {"", "pid 1\n", "phase running", "phase resting\n", "phase running\npid x\n", "phase running\npid\n",
        "phase running\noom_killed 2\n", "phase running\nerror %z1\n", "phase running\npid 99999999999\n"})
    EXPECT_EQ(decode_state(bad).error().code(), Code::kDataLoss) << bad;
}

TEST(Protocol, RoundTrips) {
  Request request{
      .kind = Request::Kind::kFreeze, .signal = -9, .in = true, .err = true, .columns = 80, .rows = 24};
  request.writes = {{"/f", "1", true}, {"/g", "", false}};
  request.bytes = std::string("\0x", 2);
  EXPECT_EQ(*decode_request(encode(request)), request);
  Reply reply{.kind = Reply::Kind::kEnded, .code = 3, .number = -1, .signal = 9, .is_stderr = true};
  reply.time = WallTime{Duration{5}};
  reply.bytes = "bytes";
  EXPECT_EQ(*decode_reply(encode(reply)), reply);
  Error error = error_of(*decode_reply(encode(error_reply(Error(Code::kNotFound, "no such", 2)))));
  EXPECT_EQ(error.code(), Code::kNotFound);
  EXPECT_EQ(error.message(), "no such");
  EXPECT_EQ(error.system_errno(), 2);
}

TEST(Protocol, RefusesOtherVersionsAndCuts) {
  std::string packet = encode(Request{});
  for (size_t i = 0; i < packet.size(); ++i)
    EXPECT_FALSE(decode_request(packet.substr(0, i)).has_value()) << i;
  packet[0] = 2;
  EXPECT_EQ(decode_request(packet).error().code(), Code::kUnsupported);
  std::string reply = encode(Reply{});
  reply[1] = 100;
  EXPECT_EQ(decode_reply(reply).error().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace kobuk::runtime
