// kubectl describe: what matters of an object, in kubectl's layout, and its events.
#include <algorithm>
#include <tuple>

#include "api/table.h"
#include "app/command_end.h"
#include "app/kubectl/commands.h"
#include "app/kubectl/describe.h"
#include "app/kubectl/targets.h"
#include "base/clock.h"
#include "codec/json.h"
#include "codec/yaml.h"

namespace kobuk::app::kubectl {
namespace {

using codec::Value;

// A line for each pair, the later ones below the first: "Labels:  a=1\n         b=2".
void add_pairs(Description& out, std::string_view title, const Value& pairs, std::string_view separator) {
  if (pairs.empty()) return out.line(title, "<none>");
  bool first = true;
  for (const codec::Member& pair : pairs.members()) {
    if (pair.key == "kubectl.kubernetes.io/last-applied-configuration") continue;
    out.line(first ? title : "", cat(pair.key, separator, pair.value.as_string()));
    first = false;
  }
  if (first) out.line(title, "<none>");
}

std::string age(const Value& time) { return api::age_since(time, system_clock().wall()); }

Result<void> add_events(Session& session, const Value& object, Description& out) {
  KOBUK_TRY(const Resource* events, session.find_resource("events"));
  std::string space(object["metadata"]["namespace"].as_string());
  std::string path = path_of(*events, space.empty() ? "default" : space);
  add_query(path, "fieldSelector", cat("involvedObject.uid=", object["metadata"]["uid"].as_string()));
  KOBUK_TRY(codec::Document list, session.get_json(path));
  const Value& items = list.root["items"];
  if (items.empty()) {
    out.line("Events", "<none>");
    return {};
  }
  std::vector<std::tuple<std::string, size_t, const Value*>> ordered;  // by time, then as listed
  for (const Value& event : items.items()) {
    std::string_view last = event["lastTimestamp"].as_string(event["eventTime"].as_string());
    ordered.emplace_back(last, ordered.size(), &event);
  }
  std::sort(ordered.begin(), ordered.end());
  out.text("Events:\n");
  out.table_row({"Type", "Reason", "Age", "From", "Message"});
  out.table_row({"----", "------", "----", "----", "-------"});
  for (const auto& [when, index, event] : ordered) {
    std::string_view component = (*event)["source"]["component"].as_string((*event)["reportingComponent"].as_string());
    int64_t count = (*event)["count"].as_int(1);
    const Value& last = (*event)["lastTimestamp"].is_null() ? (*event)["eventTime"] : (*event)["lastTimestamp"];
    std::string shown = count > 1 ? cat(age(last), " (x", count, " over ", age((*event)["firstTimestamp"]), ")") : age(last);
    out.table_row({std::string((*event)["type"].as_string()), std::string((*event)["reason"].as_string()), shown,
                   std::string(component), std::string(trim((*event)["message"].as_string()))});
  }
  out.end_table();
  return {};
}

void describe_object(const Resource& resource, const Value& object, Description& out) {
  const Value& metadata = object["metadata"];
  out.line("Name", metadata["name"].as_string());
  if (resource.namespaced) out.line("Namespace", metadata["namespace"].as_string());
  if (resource.kind == "Pod") describe_pod_head(object, out);
  add_pairs(out, "Labels", metadata["labels"], "=");
  add_pairs(out, "Annotations", metadata["annotations"], ": ");
  if (resource.kind == "Pod") return describe_pod(object, out);
  if (resource.kind == "Deployment" || resource.kind == "ReplicaSet") return describe_workload(resource.kind, object, out);
  if (resource.kind == "Service") return describe_service(object, out);
  if (resource.kind == "Node") return describe_node(object, out);
  out.line("API Version", object["apiVersion"].as_string());
  out.line("Kind", object["kind"].as_string());
  out.line("Created", metadata["creationTimestamp"].as_string());
  for (const codec::Member& member : object.members()) {
    if (member.key == "metadata" || member.key == "apiVersion" || member.key == "kind") continue;
    if (resource.kind == "Secret" && (member.key == "data" || member.key == "stringData")) {
      out.section("Data");
      for (const codec::Member& entry : member.value.members()) {
        auto bytes = unbase64(entry.value.as_string());
        out.line(entry.key, cat(bytes ? bytes->size() : 0, " bytes"));
      }
      out.end_section();
      continue;
    }
    out.yaml(member.key, member.value);
  }
}

}  // namespace

Result<void> describe(const std::vector<std::string>& arguments) {
  std::string labels;
  CommandLine line("describe", "Show objects in detail, with their events: TYPE [NAME], TYPE/NAME");
  line.options.flag("all-namespaces", 'A', "objects of every namespace", &line.choice.all_spaces);
  line.options.text("selector", 'l', "LABELS", "only objects with these labels", &labels);
  line.options.example("kobuk kubectl describe pod web");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return {};
  KOBUK_TRY(Session session, Session::open(line.choice));
  KOBUK_TRY(auto targets, parse_targets(session, *rest));
  if (targets.empty()) return fail(Code::kInvalid, "error: You must specify the type of resource to describe.");
  bool first = true;
  for (const Target& target : targets) {
    std::string path = path_of(*target.resource, session.space_for(*target.resource), target.name);
    if (target.name.empty()) add_query(path, "labelSelector", labels);
    KOBUK_TRY(codec::Document found, session.get_json(path));
    std::vector<const Value*> objects;
    if (target.name.empty()) {
      for (const Value& item : found.root["items"].items()) objects.push_back(&item);
    } else {
      objects.push_back(&found.root);
    }
    for (const Value* object : objects) {
      Description out;
      describe_object(*target.resource, *object, out);
      KOBUK_CHECK(add_events(session, *object, out));
      print(cat(first ? "" : "\n\n", out.take()));
      first = false;
    }
  }
  if (first) std::fprintf(stderr, "No resources found in %s namespace.\n", session.space().c_str());
  return {};
}

}  // namespace kobuk::app::kubectl
