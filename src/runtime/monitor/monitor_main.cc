// kobuk-monitor <folder> <id>: descriptor 3 is the plan (a sealed memory file), 4 the connection to the
// daemon, 5 the v2 cgroup of monitors, if there is one. Started by Runtime::create from memory, never from a
// file of the host, so that no container ever sees a descriptor of one (CVE-2019-5736).
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/monitor/monitor.h"
#include "sys/file.h"

using namespace kobuk;

namespace {

constexpr int kPlanFd = 3, kDaemonFd = 4, kCgroupFd = 5;

// Away from the daemon: a child of nobody, in its own session and group. The first process ends at once.
Result<void> leave_daemon() {
  bool grouped = fcntl(kCgroupFd, F_GETFD) >= 0;
  KOBUK_TRY(sys::Cloned child, sys::clone_process(0, grouped ? kCgroupFd : -1));
  if (child.pid != 0) _exit(0);
  if (grouped) close(kCgroupFd);
  setsid();
  return {};
}

Result<runtime::Plan> read_plan() {
  sys::UniqueFd file(kPlanFd);
  KOBUK_TRY(std::string bytes, sys::read_all(file.get(), "the plan"));
  return runtime::decode_plan(bytes);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    static constexpr std::string_view kUsage =
        "kobuk-monitor is started by kobuk for each container, not by hand\n";
    [[maybe_unused]] ssize_t wrote = write(2, kUsage.data(), kUsage.size());
    return 2;
  }
  for (int fd : {kPlanFd, kDaemonFd, kCgroupFd}) fcntl(fd, F_SETFD, FD_CLOEXEC);
  mallopt(M_TRIM_THRESHOLD, 16 << 10);  // it lives long and small: memory goes back at once
  mallopt(M_TOP_PAD, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0,
        0);  // no process of a container may look into this one or its unborn children
  umask(0);  // modes are as asked for
  // Orderly shut-downs are the daemon's to make; only SIGKILL ends a monitor.
  for (int s : {SIGPIPE, SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) signal(s, SIG_IGN);
  sys::UniqueFd daemon(kDaemonFd);
  auto left = leave_daemon();
  auto plan = left ? read_plan() : Result<runtime::Plan>(fail(left.error()));
  if (!plan) {
    (void)sys::send_packet(daemon.get(), encode(runtime::error_reply(plan.error())));
    return 1;
  }
  return runtime::Monitor(std::move(*plan), argv[1], std::move(daemon)).run();
}
