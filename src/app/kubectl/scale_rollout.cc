// kubectl scale, and kubectl rollout status | undo | restart of Deployments.
#include <chrono>

#include "app/command_end.h"
#include "app/kubectl/commands.h"
#include "app/kubectl/targets.h"
#include "base/clock.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

using codec::Value;

constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";

Result<Target> one_deployment(Session& session, const std::vector<std::string>& arguments) {
  KOBUK_TRY(auto targets, parse_targets(session, arguments));
  if (targets.size() != 1 || targets[0].name.empty()) return fail(Code::kInvalid, "error: name one object, as deployment/web");
  if (targets[0].resource->kind != "Deployment") {
    return fail(Code::kInvalid, "error: ", targets[0].resource->title(targets[0].name), " is not a Deployment");
  }
  return targets[0];
}

// What `rollout status` says of a Deployment; done is true when it is all out. kubectl's polymorphichelpers.
struct Progress {
  bool done = false;
  std::string text;
};
Result<Progress> progress_of(const Value& deployment, const std::string& name) {
  const Value& status = deployment["status"];
  if (deployment["metadata"]["generation"].as_int() > status["observedGeneration"].as_int()) {
    return Progress{false, "Waiting for deployment spec update to be observed...\n"};
  }
  for (const Value& condition : status["conditions"].items()) {
    bool late = condition["type"].as_string() == "Progressing" && condition["reason"].as_string() == "ProgressDeadlineExceeded";
    if (late) return fail(Code::kTimeout, "error: deployment ", go_quote(name), " exceeded its progress deadline");
  }
  int64_t wanted = deployment["spec"]["replicas"].as_int(1), updated = status["updatedReplicas"].as_int();
  int64_t all = status["replicas"].as_int(), available = status["availableReplicas"].as_int();
  std::string waiting = cat("Waiting for deployment ", go_quote(name), " rollout to finish: ");
  if (updated < wanted) return Progress{false, cat(waiting, updated, " out of ", wanted, " new replicas have been updated...\n")};
  if (all > updated) return Progress{false, cat(waiting, all - updated, " old replicas are pending termination...\n")};
  if (available < updated) return Progress{false, cat(waiting, available, " of ", updated, " updated replicas are available...\n")};
  return Progress{true, cat("deployment ", go_quote(name), " successfully rolled out\n")};
}

Result<void> follow_rollout(Session& session, const Target& target, Duration timeout) {
  std::string last;
  auto seen = [&](const Value& now) -> Result<bool> {
    if (now.is_null()) return fail(Code::kNotFound, "error: object has been deleted");
    KOBUK_TRY(Progress progress, progress_of(now, target.name));
    if (progress.text != last) print(progress.text);
    std::fflush(stdout);
    last = std::move(progress.text);
    return progress.done;
  };
  return wait_for(session, *target.resource, session.space(), target.name, timeout, "error: timed out waiting for the condition", seen);
}

Result<void> restart(Session& session, const Target& target) {
  std::string patch = cat(R"({"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":")",
                          format_rfc3339(system_clock().wall()), R"("}}}}})");
  std::string path = path_of(*target.resource, session.space(), target.name);
  add_query(path, "fieldManager", "kubectl-rollout");
  KOBUK_TRY(Answer answer, session.send({.method = "PATCH", .target = path, .body = std::move(patch),
                                         .content_type = "application/strategic-merge-patch+json"}));
  print(cat(target.resource->title(target.name), " restarted\n"));
  return {};
}

// The ReplicaSet of revision `wanted`, or of the one before the newest when that is 0.
Result<const Value*> earlier_revision(const Value& sets, const Value& deployment, int64_t wanted) {
  int64_t newest = parse_int(deployment["metadata"]["annotations"][kRevision].as_string()).value_or(0);
  const Value* best = nullptr;
  int64_t best_revision = 0;
  for (const Value& set : sets.items()) {
    if (set["metadata"]["ownerReferences"].at(0)["uid"].as_string() != deployment["metadata"]["uid"].as_string()) continue;
    int64_t revision = parse_int(set["metadata"]["annotations"][kRevision].as_string()).value_or(0);
    bool fits = wanted != 0 ? revision == wanted : revision < newest && revision > best_revision;
    if (!fits) continue;
    best = &set;
    best_revision = revision;
  }
  if (best != nullptr) return best;
  if (wanted != 0) return fail(Code::kNotFound, "error: unable to find specified revision ", wanted, " in history");
  return fail(Code::kNotFound, "error: no rollout history found for deployment ", go_quote(deployment["metadata"]["name"].as_string()));
}

Result<void> undo(Session& session, const Target& target, int64_t revision) {
  std::string path = path_of(*target.resource, session.space(), target.name);
  KOBUK_TRY(codec::Document deployment, session.get_json(path));
  KOBUK_TRY(const Resource* kind, session.find_resource("replicasets.apps"));
  KOBUK_TRY(codec::Document sets, session.get_json(path_of(*kind, session.space())));
  KOBUK_TRY(const Value* set, earlier_revision(sets.root["items"], deployment.root, revision));
  codec::Arena arena;
  Value pod_template = (*set)["spec"]["template"].clone(arena);
  if (Value* metadata = pod_template.find("metadata")) {
    if (Value* labels = metadata->find("labels")) labels->erase("pod-template-hash");
  }
  std::string patch = cat(R"([{"op":"replace","path":"/spec/template","value":)", codec::to_json(pod_template), "}]");
  KOBUK_TRY(Answer answer, session.send({.method = "PATCH", .target = path, .body = std::move(patch),
                                         .content_type = "application/json-patch+json"}));
  print(cat(target.resource->title(target.name), " rolled back\n"));
  return {};
}

}  // namespace

Result<void> scale(const std::vector<std::string>& arguments) {
  int64_t replicas = -1, current = -1;
  CommandLine line("scale", "Set the number of replicas: TYPE NAME, TYPE/NAME");
  line.options.number("replicas", 0, "N", "how many", &replicas);
  line.options.number("current-replicas", 0, "N", "only when there are so many now", &current);
  line.options.example("kobuk kubectl scale deploy/web --replicas=5");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return {};
  if (replicas < 0) return fail(Code::kInvalid, "error: The --replicas=COUNT flag is required, and COUNT must be greater than or equal to 0");
  KOBUK_TRY(Session session, Session::open(line.choice));
  KOBUK_TRY(auto targets, parse_targets(session, *rest));
  if (targets.empty()) return fail(Code::kInvalid, "error: name what to scale, as deployment/web");
  for (const Target& target : targets) {
    if (target.name.empty()) return fail(Code::kInvalid, "error: resource(s) were provided, but no name was specified");
    std::string path = path_of(*target.resource, session.space(), target.name, "scale");
    KOBUK_TRY(codec::Document now, session.get_json(path));
    int64_t have = now.root["spec"]["replicas"].as_int();
    if (current >= 0 && have != current) return fail(Code::kConflict, "error: Expected replicas to be ", current, ", was ", have);
    KOBUK_TRY(Answer answer, session.send({.method = "PATCH", .target = path, .body = cat("{\"spec\":{\"replicas\":", replicas, "}}"),
                                           .content_type = "application/merge-patch+json"}));
    print(cat(target.resource->title(target.name), " scaled\n"));
  }
  return {};
}

Result<void> rollout(const std::vector<std::string>& arguments) {
  int64_t revision = 0;
  std::string timeout = "24h";
  bool watch = true;
  CommandLine line("rollout", "Of a Deployment: status (follow it), undo (back to an earlier revision), restart");
  line.options.text("timeout", 0, "DURATION", "give up after so long, as 60s (status)", &timeout);
  line.options.flag("watch", 'w', "follow it to its end (status, default true)", &watch);
  line.options.number("to-revision", 0, "N", "which revision (undo; default the one before)", &revision);
  line.options.example("kobuk kubectl rollout status deploy/web");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return {};
  if (rest->empty()) return fail(Code::kInvalid, "error: say what to do: status, undo or restart");
  std::string action = rest->front();
  KOBUK_TRY(Session session, Session::open(line.choice));
  KOBUK_TRY(Target target, one_deployment(session, {rest->begin() + 1, rest->end()}));
  if (action == "restart") return restart(session, target);
  if (action == "undo") return undo(session, target, revision);
  if (action != "status") return fail(Code::kInvalid, "error: unknown command ", go_quote(action), ": status, undo or restart");
  if (watch) {
    KOBUK_TRY(int64_t seconds, parse_seconds(timeout));
    return follow_rollout(session, target, std::chrono::seconds(seconds));
  }
  KOBUK_TRY(codec::Document now, session.get_json(path_of(*target.resource, session.space(), target.name)));
  KOBUK_TRY(Progress progress, progress_of(now.root, target.name));
  print(progress.text);
  return {};
}

}  // namespace kobuk::app::kubectl
