// Birth: makes the container's init and the processes that join it. The child runs runtime/init.h and reports
// over a packet socket: 'R' (ready, with the terminal's master), 'E' (an error). It is told 'C' (its cgroups
// are joined) and 'G' (go). The socket's end after 'G' is the execve. A child that joins a pid namespace bears another
// in there, and says 'B' with its number (ours), its pidfd and the terminal in place of 'R', and ends; from 'G' on it is
// the other that speaks.
#pragma once

#include <string>

#include "base/result.h"
#include "runtime/init.h"
#include "runtime/plan.h"
#include "sys/fd.h"

namespace kobuk::runtime {

struct Born {
  pid_t pid = 0;
  sys::UniqueFd pidfd;
  sys::UniqueFd gate;      // to the child
  sys::UniqueFd terminal;  // its master, after ready
  pid_t parent = 0;        // the child that bore it, once it said so: to be reaped too
  sys::UniqueFd parent_pidfd;
};

// The process exists and is in its cgroups; it works on its own from here. wait_ready() next, which also reaps the one
// that bore it. When the plan joins a pid namespace it is outside of it, and bears another in there when it is done; on
// kernels before 6.18, which can not mount that namespace's proc from outside, it is inside from the start.
Result<Born> bear_init(const Plan& plan, const std::string& directory, Streams streams);
// A process in the container of `init`.
Result<Born> bear_exec(const ProcessPlan& process, const sys::CgroupPlan& cgroup, int init, Streams streams);

// What the child says next; blocks for it. kEnd after send_go() is the execve, before it the child's death.
enum class Word : uint8_t { kReady, kEnd };
Result<Word> hear(Born& born);
Result<void> send_go(Born& born);
// Both at once: blocks until the child is ready, or has called execve; its error when it could not.
Result<void> wait_ready(Born& born);
Result<void> let_go(Born& born);
// SIGKILL and reap.
void abandon(Born& born);

}  // namespace kobuk::runtime
