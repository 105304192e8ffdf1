// kubectl delete.
#include <chrono>

#include "app/command_end.h"
#include "app/kubectl/commands.h"
#include "app/kubectl/targets.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

struct Wanted {
  std::vector<std::string> files;
  std::string labels, cascade = "background";
  int64_t grace = -1;
  bool all = false, force = false, wait = true, now = false, ignore_not_found = false;
};

struct Doomed {
  const Resource* resource = nullptr;
  std::string space, name;
};

Result<std::vector<Doomed>> find_doomed(Session& session, const std::vector<std::string>& arguments, const Wanted& wanted,
                                        const std::string& space) {
  std::vector<Doomed> out;
  if (!wanted.files.empty()) {
    KOBUK_TRY(auto objects, read_manifests(session, wanted.files, space));
    for (ManifestObject& object : objects) out.push_back({object.resource, std::move(object.space), std::move(object.name)});
    return out;
  }
  KOBUK_TRY(auto targets, parse_targets(session, arguments));
  if (targets.empty()) return fail(Code::kInvalid, "error: You must provide one or more resources by argument or filename.");
  for (const Target& target : targets) {
    std::string where(session.space_for(*target.resource));
    if (!target.name.empty()) {
      out.push_back({target.resource, where, target.name});
      continue;
    }
    if (!wanted.all && wanted.labels.empty()) return fail(Code::kInvalid, "error: resource(s) were provided, but no name was specified");
    std::string path = path_of(*target.resource, where);
    add_query(path, "labelSelector", wanted.labels);
    KOBUK_TRY(codec::Document list, session.get_json(path));
    for (const codec::Value& item : list.root["items"].items()) {
      out.push_back({target.resource, std::string(item["metadata"]["namespace"].as_string()), std::string(item["metadata"]["name"].as_string())});
    }
  }
  return out;
}

std::string delete_options(const Wanted& wanted) {
  int64_t grace = wanted.force && wanted.grace < 0 ? 0 : wanted.now ? 1 : wanted.grace;
  std::string policy = wanted.cascade == "orphan" ? "Orphan" : wanted.cascade == "foreground" ? "Foreground" : "Background";
  return cat("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"propagationPolicy\":\"", policy, "\"",
             grace >= 0 ? cat(",\"gracePeriodSeconds\":", grace) : std::string(), "}");
}

// The uid that was deleted: an object of the same name that came after is another one.
Result<std::string> delete_one(Session& session, const Doomed& doomed, const Wanted& wanted) {
  KOBUK_TRY(codec::Document object, session.get_json(path_of(*doomed.resource, doomed.space, doomed.name)));
  std::string uid(object.root["metadata"]["uid"].as_string());
  KOBUK_TRY(Answer answer, session.send({.method = "DELETE", .target = path_of(*doomed.resource, doomed.space, doomed.name),
                                         .body = delete_options(wanted)}));
  for (const std::string& warning : answer.warnings) std::fprintf(stderr, "Warning: %s\n", warning.c_str());
  std::string qualifier = doomed.resource->group.empty() ? "" : cat(".", doomed.resource->group);
  print(cat(to_lower(doomed.resource->kind), qualifier, " ", go_quote(doomed.name), wanted.force ? " force deleted" : " deleted", "\n"));
  return uid;
}

}  // namespace

Result<void> remove(const std::vector<std::string>& arguments) {
  Wanted wanted;
  CommandLine line("delete", "Delete objects: TYPE NAME, TYPE/NAME, TYPE -l LABELS, -f FILE");
  line.options.list("filename", 'f', "FILE", "a file, a folder, or - for standard input", &wanted.files);
  line.options.text("selector", 'l', "LABELS", "objects with these labels", &wanted.labels);
  line.options.flag("all", 0, "every object of the type in the namespace", &wanted.all);
  line.options.number("grace-period", 0, "SECONDS", "for pods to end by themselves", &wanted.grace);
  line.options.flag("now", 0, "a grace period of one second", &wanted.now);
  line.options.flag("force", 0, "forget the object at once, whatever its node says", &wanted.force);
  line.options.text("cascade", 0, "POLICY", "dependents: background (default), foreground, orphan", &wanted.cascade);
  line.options.flag("wait", 0, "wait until the objects are gone (default true)", &wanted.wait);
  line.options.flag("ignore-not-found", 0, "a missing object is no error", &wanted.ignore_not_found);
  line.options.example("kobuk kubectl delete pod web");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return {};
  if (wanted.cascade != "background" && wanted.cascade != "foreground" && wanted.cascade != "orphan") {
    return fail(Code::kInvalid, "error: invalid cascade value (", wanted.cascade, "). Must be \"background\", \"foreground\", or \"orphan\"");
  }
  KOBUK_TRY(Session session, Session::open(line.choice));
  KOBUK_TRY(auto doomed, find_doomed(session, *rest, wanted, line.choice.space));
  if (doomed.empty()) print("No resources found\n");
  std::vector<std::pair<const Doomed*, std::string>> deleted;
  std::optional<Error> failed;
  for (const Doomed& object : doomed) {
    auto uid = delete_one(session, object, wanted);
    if (uid) deleted.emplace_back(&object, *std::move(uid));
    else if (!(wanted.ignore_not_found && uid.error().code() == Code::kNotFound)) {
      if (failed) std::fprintf(stderr, "%s\n", failed->message().c_str());
      failed = std::move(uid).error();
    }
  }
  for (const auto& [object, uid] : deleted) {
    if (!wanted.wait || wanted.force) break;
    auto gone = [&uid](const codec::Value& now) -> Result<bool> { return now.is_null() || now["metadata"]["uid"].as_string() != uid; };
    KOBUK_CHECK(wait_for(session, *object->resource, object->space, object->name, std::chrono::hours(24),
                         "error: timed out waiting for the condition", gone));
  }
  if (failed) return fail(*std::move(failed));
  return {};
}

}  // namespace kobuk::app::kubectl
