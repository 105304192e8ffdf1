// kubectl logs.
#include "app/command_end.h"
#include "app/kubectl/commands.h"
#include "app/kubectl/targets.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

struct Wanted {
  std::string container, since;
  int64_t tail = -1, limit_bytes = 0;
  bool follow = false, previous = false, timestamps = false, all_containers = false;
};

std::string selector_text(const codec::Value& labels) {
  std::vector<std::string> parts;
  for (const codec::Member& label : labels.members()) parts.push_back(cat(label.key, "=", label.value.as_string()));
  return join(parts, ",");
}

// "web", "pod/web", or the first pod of "deployment/web".
Result<std::string> find_pod(Session& session, const std::string& argument, const Resource& pods) {
  if (argument.find('/') == std::string::npos) return argument;
  KOBUK_TRY(auto targets, parse_targets(session, {argument}));
  if (targets[0].resource->kind == "Pod") return targets[0].name;
  KOBUK_TRY(codec::Document owner, session.get_json(path_of(*targets[0].resource, session.space(), targets[0].name)));
  const codec::Value& selector = owner.root["spec"]["selector"];
  std::string labels = selector_text(selector["matchLabels"].is_null() ? selector : selector["matchLabels"]);
  if (labels.empty()) return fail(Code::kInvalid, "error: ", argument, " selects no pods");
  std::string path = path_of(pods, session.space());
  add_query(path, "labelSelector", labels);
  KOBUK_TRY(codec::Document list, session.get_json(path));
  if (list.root["items"].empty()) return fail(Code::kNotFound, "error: no pods found for ", argument);
  std::string name(list.root["items"].at(0)["metadata"]["name"].as_string());
  if (list.root["items"].size() > 1) std::fprintf(stderr, "Found %zu pods, using pod/%s\n", list.root["items"].size(), name.c_str());
  return name;
}

Result<std::vector<std::string>> containers_of(Session& session, const Resource& pods, const std::string& pod, const Wanted& wanted) {
  if (!wanted.all_containers) return std::vector<std::string>{wanted.container};
  KOBUK_TRY(codec::Document object, session.get_json(path_of(pods, session.space(), pod)));
  std::vector<std::string> out;
  for (std::string_view list : {"initContainers", "containers"}) {
    for (const codec::Value& container : object.root["spec"][list].items()) out.emplace_back(container["name"].as_string());
  }
  return out;
}

}  // namespace

Result<void> logs(const std::vector<std::string>& arguments) {
  Wanted wanted;
  CommandLine line("logs", "Print the logs of a container: POD [CONTAINER], TYPE/NAME");
  line.options.text("container", 'c', "NAME", "which container of the pod", &wanted.container);
  line.options.flag("all-containers", 0, "every container of the pod, one after the other", &wanted.all_containers);
  line.options.flag("follow", 'f', "go on with what is written", &wanted.follow);
  line.options.flag("previous", 'p', "of the instance before the last restart", &wanted.previous);
  line.options.flag("timestamps", 0, "each line with its time", &wanted.timestamps);
  line.options.number("tail", 0, "LINES", "only the last so many", &wanted.tail);
  line.options.text("since", 0, "DURATION", "only lines newer than 90s, 5m, 1h", &wanted.since);
  line.options.number("limit-bytes", 0, "N", "at most so much", &wanted.limit_bytes);
  line.options.example("kobuk kubectl logs -f deploy/web");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return {};
  if (rest->empty() || rest->size() > 2) return fail(Code::kInvalid, "error: expected 'logs (POD | TYPE/NAME) [CONTAINER]'");
  if (rest->size() == 2) wanted.container = (*rest)[1];
  if (wanted.all_containers && wanted.follow) return fail(Code::kInvalid, "error: --follow takes one container; name it with -c");
  KOBUK_TRY(Session session, Session::open(line.choice));
  KOBUK_TRY(const Resource* pods, session.find_resource("pods"));
  KOBUK_TRY(std::string pod, find_pod(session, (*rest)[0], *pods));
  KOBUK_TRY(auto containers, containers_of(session, *pods, pod, wanted));
  for (const std::string& container : containers) {
    std::string path = path_of(*pods, session.space(), pod, "log");
    add_query(path, "container", container);
    if (wanted.follow) add_query(path, "follow", "true");
    if (wanted.previous) add_query(path, "previous", "true");
    if (wanted.timestamps) add_query(path, "timestamps", "true");
    if (wanted.tail >= 0) add_query(path, "tailLines", cat(wanted.tail));
    if (wanted.limit_bytes > 0) add_query(path, "limitBytes", cat(wanted.limit_bytes));
    if (!wanted.since.empty()) {
      KOBUK_TRY(int64_t seconds, parse_seconds(wanted.since));
      add_query(path, "sinceSeconds", cat(seconds));
    }
    KOBUK_CHECK(session.stream({.target = path, .accept = "*/*"}, [](std::string_view piece) {
      print(piece);
      std::fflush(stdout);
      return true;
    }));
  }
  return {};
}

}  // namespace kobuk::app::kubectl
