// The container's side of its birth: what runs between clone and execve, in the child process, by a plan.
//
// Everything goes through sys::Kernel, so that tests can let any call fail. Single-threaded; returns only on
// failure.
#pragma once

#include "base/result.h"
#include "runtime/plan.h"
#include "sys/fd.h"
#include "sys/kernel.h"

namespace kobuk::runtime {

// What the child says to the monitor and waits for.
class Gate {
 public:
  virtual ~Gate() = default;
  // Returns when the monitor has moved the child into its v1 cgroups.
  virtual Result<void> wait_for_cgroups() = 0;
  // "Everything stands": hands over the terminal's master, if there is one, and returns when the program is
  // to start.
  virtual Result<void> ready(sys::UniqueFd terminal) = 0;
  // The same in two parts, for a process that bears the one to run the program: it says who that is and ends (what is
  // returned is an error), the other waits until it is to start.
  virtual Error born(const sys::Cloned& child, sys::UniqueFd terminal) = 0;
  virtual Result<void> wait_for_go() = 0;
};

struct Streams {
  int in = -1, out = -1, err = -1;  // -1: the container's own /dev/null; not used with a terminal
};

// Builds the container around the calling process and becomes its program, or its pause process.
// `directory`: a folder of the host over which the root is attached; nobody outside sees that.
// `pid_namespace`: one to join, in which the program is born when everything else is done; -1 when the calling process
// is in the right one already.
Error run_init(sys::Kernel& kernel, const Plan& plan, const std::string& directory, Streams streams, int pid_namespace,
               Gate& gate);

// Joins the v1 cgroups and the namespaces of `init` (a pidfd) and bears the process that becomes the program.
Error run_exec(sys::Kernel& kernel, const ProcessPlan& process, const sys::CgroupPlan& cgroup, int init,
               Streams streams, Gate& gate);

// The steps alone, in order; the result is the terminal that OpenTerminal made. A proc that is mounted is that of
// `pid_namespace`, or of the calling process when it is -1.
Result<sys::Terminal> apply_steps(sys::Kernel& kernel, const Plan& plan, const std::string& directory,
                                  int pid_namespace, Gate& gate);
// The end of both: from user and working directory to execve.
Error become(sys::Kernel& kernel, const ProcessPlan& process, bool make_cwd, Streams streams,
             sys::Terminal terminal, Gate& gate);
// Holds the namespaces: reaps orphans, ends on SIGTERM and SIGINT. Does not return.
[[noreturn]] void run_pause();

}  // namespace kobuk::runtime
