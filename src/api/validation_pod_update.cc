// What of a pod may change. Rules: Kubernetes core/v1 Pod, "Pod update and replacement".
#include <algorithm>
#include <string>

#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {
namespace {

constexpr std::string_view kMutable =
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

// Members of the two are alike but for those named `except`.
bool same_but(const Value& now, const Value& before, std::initializer_list<std::string_view> except) {
  auto skipped = [&](std::string_view key) { return std::find(except.begin(), except.end(), key) != except.end(); };
  for (const auto& member : now.members())
    if (!skipped(member.key) && !(member.value == before[member.key])) return false;
  for (const auto& member : before.members())
    if (!skipped(member.key) && !now.find(member.key)) return false;
  return true;
}

bool same_containers(const Value& now, const Value& before) {
  if (now.size() != before.size()) return false;
  for (size_t i = 0; i < now.size(); ++i)
    if (!same_but(now.at(i), before.at(i), {"image"})) return false;
  return true;
}

void only_added_tolerations(const Path& path, const Value& now, const Value& before, FieldErrors& errors) {
  for (const Value& old : before.items()) {
    bool kept = false;
    for (const Value& one : now.items()) kept = kept || same_but(one, old, {"tolerationSeconds"});
    if (!kept) return errors.forbidden(path, "existing toleration can not be modified except its tolerationSeconds");
  }
}

void only_removed_gates(const Path& path, const Value& now, const Value& before, FieldErrors& errors) {
  for (size_t i = 0; i < now.size(); ++i) {
    std::string_view name = now.at(i)["name"].as_string();
    bool known = false;
    for (const Value& old : before.items()) known = known || old["name"].as_string() == name;
    if (!known) errors.forbidden(path.at(i).child("name"), cat("only deletion is allowed, but found new scheduling gate '", name, "'"));
  }
}

// A pod that waits for its gates may have its placement narrowed, never widened.
void only_added_selectors(const Path& path, const Value& now, const Value& before, FieldErrors& errors) {
  for (const auto& member : before.members())
    if (!(now[member.key] == member.value))
      return errors.invalid(path, now, "only additions to spec.nodeSelector are allowed (no mutations or deletions)");
}

bool begins_with(const Value& list, const Value& start) {
  if (list.size() < start.size()) return false;
  for (size_t i = 0; i < start.size(); ++i)
    if (!(list.at(i) == start.at(i))) return false;
  return true;
}

// Terms are alternatives and the conditions of one hold together: more terms would widen, and so would conditions on a term
// that has none, as it matches nothing.
void only_narrowed_terms(const Path& path, const Value& now, const Value& before, FieldErrors& errors) {
  if (before.empty()) return;
  if (now.size() != before.size())
    return errors.invalid(path, now, "no additions/deletions to non-empty NodeSelectorTerms list are allowed");
  for (size_t i = 0; i < before.size(); ++i) {
    const Value &term = now.at(i), &old = before.at(i);
    bool matched_nothing = old["matchExpressions"].empty() && old["matchFields"].empty();
    bool narrowed = matched_nothing ? term["matchExpressions"].empty() && term["matchFields"].empty()
                                    : begins_with(term["matchExpressions"], old["matchExpressions"]) &&
                                          begins_with(term["matchFields"], old["matchFields"]);
    if (!narrowed) errors.invalid(path.at(i), term, "only additions are allowed (no mutations or deletions)");
  }
}

bool same_placement(const Value& now, const Value& before, FieldErrors& errors) {
  if (before["schedulingGates"].empty()) return now["nodeSelector"] == before["nodeSelector"] && now["affinity"] == before["affinity"];
  Path spec("spec");
  only_added_selectors(spec.child("nodeSelector"), now["nodeSelector"], before["nodeSelector"], errors);
  constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
  auto terms = [&](const Value& of) -> const Value& { return of["affinity"]["nodeAffinity"][kRequired]["nodeSelectorTerms"]; };
  only_narrowed_terms(spec.child("affinity").child("nodeAffinity").child(kRequired).child("nodeSelectorTerms"), terms(now), terms(before), errors);
  return same_but(now["affinity"], before["affinity"], {"nodeAffinity"});
}

void deadline_update(const Path& path, const Value& now, const Value& before, FieldErrors& errors) {
  if (now.is_null()) {
    if (!before.is_null()) errors.invalid(path, now, "must not update from a positive integer to nil value");
    return;
  }
  breaches(path, now.as_int(), in_range(now.as_int(), 0, INT32_MAX), errors);
  if (!before.is_null() && before.as_int() < now.as_int())
    errors.invalid(path, now, "must be less than or equal to previous value");
}

bool same_grace(const Value& now, const Value& before) { return now == before || (before.as_int() < 0 && now.as_int() == 1); }

}  // namespace

void pod_update(const Value& object, const Value& old, FieldErrors& errors) {
  Path spec("spec");
  const Value &now = object["spec"], &before = old["spec"];
  for (auto name : {"containers", "initContainers"})
    if (now[name].size() != before[name].size())
      return errors.forbidden(spec.child(name), "pod updates may not add or remove containers");
  deadline_update(spec.child("activeDeadlineSeconds"), now["activeDeadlineSeconds"], before["activeDeadlineSeconds"], errors);
  only_added_tolerations(spec.child("tolerations"), now["tolerations"], before["tolerations"], errors);
  only_removed_gates(spec.child("schedulingGates"), now["schedulingGates"], before["schedulingGates"], errors);
  bool same = same_placement(now, before, errors) &&
              same_but(now, before,
                       {"containers", "initContainers", "activeDeadlineSeconds", "tolerations", "schedulingGates",
                        "terminationGracePeriodSeconds", "nodeSelector", "affinity"}) &&
              same_containers(now["containers"], before["containers"]) &&
              same_containers(now["initContainers"], before["initContainers"]) &&
              same_grace(now["terminationGracePeriodSeconds"], before["terminationGracePeriodSeconds"]);
  if (!same) errors.forbidden(spec, kMutable);
}

}  // namespace kobuk::api::validation
