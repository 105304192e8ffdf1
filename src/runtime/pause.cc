// The pause process of a pod sandbox: pid 1 of its namespaces, which only reaps and waits.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/init.h"

namespace kobuk::runtime {

void run_pause() {
  prctl(PR_SET_NAME, "pause", 0, 0, 0);
  // The monitor's descriptors were copied with its memory: none may stay open here.
  close_range(0, ~0u, 0);
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int s : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&wanted, s);
  sigprocmask(SIG_SETMASK, &wanted, nullptr);
  // Blocked signals with the default action of "ignore" (SIGCHLD) are dropped unless there is a handler.
  struct sigaction action {};
  action.sa_handler = [](int) {};
  for (int s : {SIGTERM, SIGINT, SIGCHLD}) sigaction(s, &action, nullptr);
  while (true) {
    int got = 0;
    if (sigwait(&wanted, &got) != 0) continue;
    if (got != SIGCHLD) _exit(0);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

}  // namespace kobuk::runtime
