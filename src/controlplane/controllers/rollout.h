// The arithmetic of a Deployment's rollout, pure: given what is wanted and which ReplicaSets exist, how large each
// should be next. The Deployment controller applies the answer and asks again when pods have become available.
//
//   Rollout r{.replicas = 3, .max_surge = 1, .max_unavailable = 0};
//   std::vector<Resize> steps = next_sizes(r, new_set, old_sets);
//
// Behaviour follows the Deployment documentation ("Rolling Update Deployment", "Proportional scaling").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::controlplane {

enum class RolloutStrategy { kRollingUpdate, kRecreate };

struct Rollout {
  int32_t replicas = 1;
  int32_t max_surge = 1;        // absolute: see resolve_bounds()
  int32_t max_unavailable = 0;  // absolute
  RolloutStrategy strategy = RolloutStrategy::kRollingUpdate;
  bool paused = false;
};

struct SetSize {
  std::string name;
  int32_t wanted = 0;     // spec.replicas
  int32_t actual = 0;     // status.replicas
  int32_t available = 0;  // status.availableReplicas
  int64_t created = 0;    // seconds since the epoch: older sets shrink first
  int32_t max_replicas = 0;  // replicas + surge of the Deployment when the set was last sized (annotation); 0: unknown
};

struct Resize {
  std::string name;
  int32_t replicas = 0;
};

struct RolloutBounds {
  int32_t max_surge = 0;
  int32_t max_unavailable = 0;
};
// "25%", "1": surge rounds up, unavailable rounds down; both 0 becomes unavailable 1, so that a rollout can move.
// Errors: kInvalid for anything that is neither a whole number nor a percentage.
Result<RolloutBounds> resolve_bounds(std::string_view max_surge, std::string_view max_unavailable, int32_t replicas);

// The Deployment's own size has changed, or it is paused: every set in proportion to its size, so that a rollout keeps
// its shape. `current` without a name: there is no set of the present template. Only the sets whose size changes.
std::vector<Resize> scale_sizes(const Rollout& rollout, const SetSize& current, std::vector<SetSize> old);

// Only the sets whose size changes now. `current` is the set of the present template.
std::vector<Resize> next_sizes(const Rollout& rollout, const SetSize& current, std::vector<SetSize> old);

}  // namespace kobuk::controlplane
