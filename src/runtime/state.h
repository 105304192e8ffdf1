// What is known of one container, as its monitor writes it to <dir>/state (atomically) and sends it to
// subscribers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"

namespace kobuk::runtime {

enum class Phase : uint8_t { kCreating, kCreated, kRunning, kPaused, kStopped };
std::string_view phase_name(
    Phase phase);  // "creating" "created" "running" "paused" "stopped", as the OCI spec

struct ContainerState {
  Phase phase = Phase::kCreating;
  int32_t pid = 0;              // of the init process, on the host; 0 once stopped
  uint64_t pid_start_time = 0;  // clock ticks since boot
  int32_t monitor_pid = 0;
  uint64_t monitor_start_time = 0;
  int32_t exit_code = 0;  // 128 + signal when killed; 127, 126 when it could not be started
  int32_t signal = 0;     // that killed it
  bool oom_killed = false;
  WallTime created{}, started{}, finished{};
  std::string cgroup_path;
  std::string error;  // why it could not start, or "monitor lost"
  bool operator==(const ContainerState&) const = default;
};

std::string encode_state(const ContainerState& state);       // "key value" lines
Result<ContainerState> decode_state(std::string_view text);  // kDataLoss; bounded, fuzzed

}  // namespace kobuk::runtime
