// kubectl get: server-side tables, or the objects themselves.
#include "app/command_end.h"
#include "app/kubectl/commands.h"
#include "app/kubectl/output.h"
#include "app/kubectl/targets.h"
#include "codec/json.h"
#include "codec/yaml.h"

namespace kobuk::app::kubectl {
namespace {

constexpr std::string_view kTableAccept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

struct Wanted {
  std::string output, labels, fields;
  bool watch = false, no_headers = false, show_labels = false, ignore_not_found = false;
};

std::string target_path(Session& session, const Target& target, const Wanted& wanted) {
  std::string path = path_of(*target.resource, session.space_for(*target.resource), target.name);
  add_query(path, "labelSelector", wanted.labels);
  add_query(path, "fieldSelector", wanted.fields);
  return path;
}

bool is_structured(std::string_view output) {
  return output == "yaml" || output == "json" || output == "name" || output.starts_with("jsonpath");
}

class Getter {
 public:
  Getter(Session& session, const Wanted& wanted) : session_(session), wanted_(wanted) {}

  Result<void> tables(const std::vector<Target>& targets) {
    bool any = false;
    for (const Target& target : targets) {
      auto answer = session_.send({.target = target_path(session_, target, wanted_), .accept = std::string(kTableAccept)});
      if (!answer && answer.error().code() == Code::kNotFound && wanted_.ignore_not_found) continue;
      if (!answer) return fail(std::move(answer).error());
      KOBUK_TRY(codec::Document table, codec::parse_json(answer->body, {.max_bytes = 256 << 20}));
      if (table.root["rows"].empty()) continue;
      if (any) print("\n");
      any = true;
      print(format_table(table.root, style(target, targets.size() > 1)));
    }
    if (!any && !wanted_.ignore_not_found) say_nothing_found();
    return {};
  }

  Result<void> objects(const std::vector<Target>& targets) {
    codec::Arena arena;
    codec::Value items = codec::Value::array();
    for (const Target& target : targets) {
      auto document = session_.get_json(target_path(session_, target, wanted_));
      if (!document && document.error().code() == Code::kNotFound && wanted_.ignore_not_found) continue;
      if (!document) return fail(std::move(document).error());
      if (!target.name.empty()) {
        items.push(arena, document->root.clone(arena));
        continue;
      }
      for (const codec::Value& item : document->root["items"].items()) {
        codec::Value object = item.clone(arena);
        object.set(arena, "kind", codec::Value::string(arena, target.resource->kind));
        object.set(arena, "apiVersion", codec::Value::string(arena, target.resource->api_version()));
        items.push(arena, object);
      }
    }
    bool single = targets.size() == 1 && !targets[0].name.empty();
    if (single && items.empty()) return {};
    return print_objects(single ? items.at(0) : as_list(items, arena), items);
  }

  // Prints each change as a row, until the server or the user ends it.
  Result<void> watch(const Target& target) {
    std::string path = target_path(session_, {target.resource, {}}, wanted_);
    if (!target.name.empty()) add_query(path, "fieldSelector", cat("metadata.name=", target.name));
    add_query(path, "watch", "true");
    std::string buffer;
    bool headers = !wanted_.no_headers;
    return session_.stream({.target = path, .accept = std::string(kTableAccept)}, [&](std::string_view piece) {
      buffer += piece;
      for (size_t end; (end = buffer.find('\n')) != std::string::npos; buffer.erase(0, end + 1)) {
        auto event = codec::parse_json(std::string_view(buffer).substr(0, end));
        if (!event || event->root["object"]["rows"].empty()) continue;
        TableStyle as = style(target, false);
        as.headers = headers;
        headers = false;
        print(format_table(event->root["object"], as));
        std::fflush(stdout);
      }
      return true;
    });
  }

 private:
  TableStyle style(const Target& target, bool several) const {
    return {.wide = wanted_.output == "wide", .with_space = session_.all_spaces() && target.resource->namespaced,
            .headers = !wanted_.no_headers, .show_labels = wanted_.show_labels,
            .prefix = several ? target.resource->title("") : std::string()};
  }

  void say_nothing_found() const {
    std::string where = session_.all_spaces() ? "" : cat(" in ", session_.space(), " namespace");
    std::fprintf(stderr, "No resources found%s.\n", where.c_str());
  }

  static codec::Value as_list(const codec::Value& items, codec::Arena& arena) {
    codec::Value list = codec::Value::object(), metadata = codec::Value::object();
    metadata.set(arena, "resourceVersion", codec::Value::string_view(""));
    list.set(arena, "apiVersion", codec::Value::string_view("v1"));
    list.set(arena, "items", items);
    list.set(arena, "kind", codec::Value::string_view("List"));
    list.set(arena, "metadata", metadata);
    return list;
  }

  Result<void> print_objects(const codec::Value& shown, const codec::Value& items) {
    if (wanted_.output == "json") {
      print(codec::to_json_pretty(shown, 4) + "\n");
    } else if (wanted_.output == "yaml") {
      print(codec::to_yaml(shown));
    } else if (wanted_.output == "name") {
      for (const codec::Value& item : items.items()) {
        KOBUK_TRY(const Resource* resource, session_.find_kind(item["apiVersion"].as_string(), item["kind"].as_string()));
        print(resource->title(item["metadata"]["name"].as_string()) + "\n");
      }
    } else {
      size_t equals = wanted_.output.find('=');
      if (equals == std::string::npos) return fail(Code::kInvalid, "error: template format specified but no template given");
      KOBUK_TRY(std::string text, format_jsonpath(std::string_view(wanted_.output).substr(equals + 1), shown));
      print(text);
    }
    return {};
  }

  Session& session_;
  const Wanted& wanted_;
};

}  // namespace

Result<void> get(const std::vector<std::string>& arguments) {
  Wanted wanted;
  CommandLine line("get", "List objects, or show one: TYPE[,TYPE], TYPE NAME, TYPE/NAME");
  line.options.flag("all-namespaces", 'A', "objects of every namespace", &line.choice.all_spaces);
  line.options.text("output", 'o', "FORMAT", "wide, yaml, json, name, jsonpath=TEMPLATE", &wanted.output);
  line.options.text("selector", 'l', "LABELS", "only objects with these labels (app=web,tier!=db)", &wanted.labels);
  line.options.text("field-selector", 0, "FIELDS", "only objects with these fields (status.phase=Running)", &wanted.fields);
  line.options.flag("watch", 'w', "go on with every change", &wanted.watch);
  line.options.flag("no-headers", 0, "no first line", &wanted.no_headers);
  line.options.flag("show-labels", 0, "a column of labels", &wanted.show_labels);
  line.options.flag("ignore-not-found", 0, "a missing object is no error", &wanted.ignore_not_found);
  line.options.example("kobuk kubectl get pods -A -o wide");
  line.options.example("kobuk kubectl get deploy/web -o jsonpath={.status.readyReplicas}");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return {};
  if (!wanted.output.empty() && wanted.output != "wide" && !is_structured(wanted.output)) {
    return fail(Code::kInvalid, "error: unable to match a printer suitable for the output format ", go_quote(wanted.output), ", allowed formats are: json,jsonpath,name,wide,yaml");
  }
  KOBUK_TRY(Session session, Session::open(line.choice));
  KOBUK_TRY(auto targets, parse_targets(session, *rest));
  if (targets.empty()) return fail(Code::kInvalid, "error: you must specify the type of resource to get, as: kobuk kubectl get pods");
  Getter getter(session, wanted);
  if (wanted.watch && (targets.size() > 1 || is_structured(wanted.output))) {
    return fail(Code::kInvalid, "error: --watch takes one resource and prints rows");
  }
  if (wanted.watch) return getter.watch(targets[0]);
  return is_structured(wanted.output) ? getter.objects(targets) : getter.tables(targets);
}

}  // namespace kobuk::app::kubectl
