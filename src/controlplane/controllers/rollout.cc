#include "controlplane/controllers/rollout.h"

#include <algorithm>
#include <iterator>

namespace kobuk::controlplane {
namespace {

Result<int32_t> resolve(std::string_view text, int32_t replicas, bool round_up) {
  bool percent = text.ends_with('%');
  auto number = parse_int(percent ? text.substr(0, text.size() - 1) : text);
  if (!number || *number < 0 || *number > 1'000'000) {
    return fail(Code::kInvalid, "invalid value for IntOrString: ", go_quote(text), " is not a number or percentage");
  }
  if (!percent) return static_cast<int32_t>(*number);
  int64_t scaled = *number * replicas;
  return static_cast<int32_t>(round_up ? (scaled + 99) / 100 : scaled / 100);
}

int32_t sum_wanted(const std::vector<SetSize>& sets) {
  int32_t total = 0;
  for (const SetSize& set : sets) total += set.wanted;
  return total;
}

// How large the new set may be without passing replicas + max_surge over all sets.
int32_t grown(const Rollout& rollout, const SetSize& current, int32_t others) {
  int32_t room = rollout.replicas + rollout.max_surge - (current.wanted + others);
  if (room <= 0) return current.wanted;
  return std::min(current.wanted + room, rollout.replicas);
}

// Takes up to `budget` pods away: first those that are not available, from the oldest sets, then available ones.
void shrink(std::vector<SetSize>& old, int32_t unavailable_budget, int32_t available_budget) {
  std::sort(old.begin(), old.end(), [](const SetSize& a, const SetSize& b) { return a.created < b.created; });
  for (SetSize& set : old) {
    int32_t take = std::clamp(set.wanted - set.available, 0, std::max(unavailable_budget, 0));
    set.wanted -= take;
    unavailable_budget -= take;
  }
  for (SetSize& set : old) {
    int32_t take = std::clamp(set.wanted, 0, std::max(available_budget, 0));
    set.wanted -= take;
    available_budget -= take;
  }
}

// How many pods a set gains or loses when the Deployment's room changes by `to_add` in all, `added` of it given out.
int32_t proportion(const Rollout& rollout, const SetSize& set, int32_t to_add, int32_t added) {
  if (set.wanted == 0 || to_add == 0 || to_add == added) return 0;
  int32_t fraction = -set.wanted;
  if (rollout.replicas > 0) {
    int64_t most = rollout.replicas + rollout.max_surge;
    int64_t before = set.max_replicas > 0 ? set.max_replicas : most;
    fraction = static_cast<int32_t>((int64_t{set.wanted} * most * 2 + before) / (before * 2)) - set.wanted;
  }
  return to_add > 0 ? std::min(fraction, to_add - added) : std::max(fraction, to_add - added);
}

void scale_in_proportion(const Rollout& rollout, std::vector<SetSize>& sets) {
  int32_t allowed = rollout.replicas > 0 ? rollout.replicas + rollout.max_surge : 0;
  int32_t to_add = allowed - sum_wanted(sets), added = 0;
  if (to_add == 0 || sets.empty()) return;
  // Larger sets first; of equal ones the newer when growing, the older when shrinking.
  std::sort(sets.begin(), sets.end(), [&](const SetSize& a, const SetSize& b) {
    if (a.wanted != b.wanted) return a.wanted > b.wanted;
    return to_add > 0 ? a.created > b.created : a.created < b.created;
  });
  for (SetSize& set : sets) {
    int32_t change = proportion(rollout, set, to_add, added);
    set.wanted += change;
    added += change;
  }
  sets.front().wanted = std::max(0, sets.front().wanted + to_add - added);
}

std::vector<Resize> differences(const std::vector<SetSize>& before, const std::vector<SetSize>& after) {
  std::vector<Resize> out;
  for (const SetSize& now : after) {
    auto was = std::find_if(before.begin(), before.end(), [&](const SetSize& b) { return b.name == now.name; });
    if (was->wanted != now.wanted) out.push_back({now.name, now.wanted});
  }
  return out;
}

std::vector<Resize> recreate(const Rollout& rollout, const SetSize& current, const std::vector<SetSize>& old) {
  std::vector<Resize> out;
  bool old_pods = false;
  for (const SetSize& set : old) {
    if (set.wanted > 0) out.push_back({set.name, 0});
    old_pods = old_pods || set.wanted > 0 || set.actual > 0;
  }
  if (!old_pods && current.wanted != rollout.replicas) out.push_back({current.name, rollout.replicas});
  return out;
}

}  // namespace

Result<RolloutBounds> resolve_bounds(std::string_view max_surge, std::string_view max_unavailable, int32_t replicas) {
  KOBUK_TRY(int32_t surge, resolve(max_surge, replicas, true));
  KOBUK_TRY(int32_t unavailable, resolve(max_unavailable, replicas, false));
  if (surge == 0 && unavailable == 0) unavailable = 1;
  return RolloutBounds{surge, std::min(unavailable, std::max(replicas, 1))};
}

std::vector<Resize> scale_sizes(const Rollout& rollout, const SetSize& current, std::vector<SetSize> old) {
  std::vector<SetSize> all = old, active;
  if (!current.name.empty()) all.push_back(current);
  if (all.empty()) return {};
  std::copy_if(all.begin(), all.end(), std::back_inserter(active), [](const SetSize& set) { return set.wanted > 0; });
  if (active.size() <= 1) {  // the one that is active, else the newest
    SetSize only = !active.empty()         ? active.front()
                   : !current.name.empty() ? current
                                           : *std::max_element(all.begin(), all.end(), [](const SetSize& a, const SetSize& b) { return a.created < b.created; });
    if (only.wanted == rollout.replicas) return {};
    return {{only.name, rollout.replicas}};
  }
  bool saturated = !current.name.empty() && current.wanted == rollout.replicas && current.available == rollout.replicas;
  if (saturated || rollout.strategy == RolloutStrategy::kRecreate) {
    std::vector<Resize> out;
    for (const SetSize& set : old) {
      if (saturated && set.wanted > 0) out.push_back({set.name, 0});
    }
    return out;
  }
  scale_in_proportion(rollout, active);
  return differences(all, active);
}

std::vector<Resize> next_sizes(const Rollout& rollout, const SetSize& current, std::vector<SetSize> old) {
  bool in_progress = sum_wanted(old) > 0;
  if (!in_progress && rollout.strategy == RolloutStrategy::kRollingUpdate) {
    if (current.wanted == rollout.replicas || (rollout.paused && current.wanted == 0)) return {};
    return {{current.name, rollout.replicas}};
  }
  if (rollout.paused) return scale_sizes(rollout, current, std::move(old));
  if (rollout.strategy == RolloutStrategy::kRecreate) return recreate(rollout, current, old);

  std::vector<SetSize> before = old;
  std::vector<Resize> out;
  int32_t others = sum_wanted(old);
  int32_t grown_to = current.wanted > rollout.replicas ? rollout.replicas : grown(rollout, current, others);
  if (grown_to != current.wanted) return {{current.name, grown_to}};

  int32_t least_available = rollout.replicas - rollout.max_unavailable;
  int32_t new_unavailable = std::max(current.wanted - current.available, 0);
  int32_t available = current.available;
  for (const SetSize& set : old) available += set.available;
  // Old pods that are not available add nothing: they may go as long as the wanted total stays above the least.
  int32_t spare = others + current.wanted - least_available - new_unavailable;
  shrink(old, spare, std::min(spare, available - least_available));
  return differences(before, old);
}

}  // namespace kobuk::controlplane
