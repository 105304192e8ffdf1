// The processes of a profile, seen from the command line: started detached, asked how they are, ended.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/profile.h"
#include "app/roles.h"
#include "base/result.h"
#include "sys/process.h"

namespace kobuk::app {

struct RoleStatus {
  std::string name, state;
  int pid = 0;  // 0: its process does not run
};

// Every role in the order of kRoles; "Stopped" where no process answers on its control socket.
Result<std::vector<RoleStatus>> role_statuses(const Profile& profile);
bool any_running(const std::vector<RoleStatus>& statuses);

// Starts `kobuk serve` (or `kobuk <role>`) in a session of its own with its log in <root>/logs, and waits until it says
// that it serves. Its own words are the error otherwise. kTimeout: the process has been ended.
Result<void> start_process(const Profile& profile, std::string_view name);
// What a process started so says: once, with its result.
void report_started(const Result<void>& result);

// SIGTERM to every process of the profile, SIGKILL to what is left after `grace`. None running is fine.
Result<void> end_processes(const Profile& profile, Duration grace);

}  // namespace kobuk::app
