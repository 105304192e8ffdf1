// The STATUS of a Pod: its phase, unless something about its containers says more.
#include "api/table_cells.h"
#include "base/strings.h"

namespace kobuk::api {
namespace {

using codec::Value;

bool condition_true(const Value& status, std::string_view type) {
  for (const Value& condition : status["conditions"].items())
    if (condition["type"].as_string() == type) return condition["status"].as_string() == "True";
  return false;
}

// "Error", "ExitCode:3", "Signal:9".
std::string ended(const Value& terminated) {
  if (std::string_view reason = terminated["reason"].as_string(); !reason.empty()) return std::string(reason);
  if (int64_t signal = terminated["signal"].as_int()) return cat("Signal:", signal);
  return cat("ExitCode:", terminated["exitCode"].as_int());
}

class Summariser {
 public:
  explicit Summariser(const Value& pod) : spec_(pod["spec"]), status_(pod["status"]), metadata_(pod["metadata"]) {}

  PodSummary run() {
    std::string_view reason = status_["reason"].as_string();
    out_.status = reason.empty() ? status_["phase"].as_string() : reason;
    for (const Value& condition : status_["conditions"].items())
      if (condition["type"].as_string() == "PodScheduled" && condition["reason"].as_string() == "SchedulingGated")
        out_.status = "SchedulingGated";
    out_.total = static_cast<int64_t>(spec_["containers"].size());
    for (const Value& init : spec_["initContainers"].items()) out_.total += init["restartPolicy"].as_string() == "Always";
    bool initialising = init_containers();
    if (!initialising || condition_true(status_, "Initialized")) containers();
    std::string_view phase = status_["phase"].as_string();
    if (!metadata_["deletionTimestamp"].is_null()) {
      if (reason == "NodeLost") out_.status = "Unknown";
      else if (phase != "Succeeded" && phase != "Failed") out_.status = "Terminating";
    }
    return out_;
  }

 private:
  bool is_sidecar(std::string_view name) const {
    for (const Value& init : spec_["initContainers"].items())
      if (init["name"].as_string() == name) return init["restartPolicy"].as_string() == "Always";
    return false;
  }

  // RFC 3339 in UTC and seconds compares as text.
  static void later(std::string& last, const Value& container) {
    std::string_view when = container["lastState"]["terminated"]["finishedAt"].as_string();
    if (when > last) last = when;
  }

  bool init_containers() {
    size_t index = 0;
    bool initialising = false;
    for (const Value& container : status_["initContainerStatuses"].items()) {
      size_t at = index++;
      bool sidecar = is_sidecar(container["name"].as_string());
      out_.restarts += container["restartCount"].as_int();
      later(out_.last_restart, container);
      if (sidecar) sidecar_restarts_ += container["restartCount"].as_int(), later(sidecar_restart_, container);
      if (initialising) continue;
      const Value &terminated = container["state"]["terminated"], &waiting = container["state"]["waiting"];
      if (!terminated.is_null() && terminated["exitCode"].as_int() == 0) continue;
      if (sidecar && container["started"].as_bool()) {
        out_.ready += container["ready"].as_bool();
        continue;
      }
      std::string_view why = waiting["reason"].as_string();
      if (!terminated.is_null()) out_.status = cat("Init:", ended(terminated));
      else if (!why.empty() && why != "PodInitializing") out_.status = cat("Init:", why);
      else out_.status = cat("Init:", at, "/", spec_["initContainers"].size());
      initialising = true;
    }
    return initialising;
  }

  void containers() {
    out_.restarts = sidecar_restarts_;
    out_.last_restart = sidecar_restart_;
    bool running = false;
    const Value& all = status_["containerStatuses"];
    for (size_t i = all.size(); i-- > 0;) {
      const Value& container = all.at(i);
      out_.restarts += container["restartCount"].as_int();
      later(out_.last_restart, container);
      const Value &terminated = container["state"]["terminated"], &waiting = container["state"]["waiting"];
      if (std::string_view why = waiting["reason"].as_string(); !why.empty()) out_.status = why;
      else if (!terminated.is_null()) out_.status = ended(terminated);
      else if (container["ready"].as_bool() && !container["state"]["running"].is_null()) running = true, ++out_.ready;
    }
    if (out_.status == "Completed" && running) out_.status = condition_true(status_, "Ready") ? "Running" : "NotReady";
  }

  const Value &spec_, &status_, &metadata_;
  PodSummary out_;
  int64_t sidecar_restarts_ = 0;
  std::string sidecar_restart_;
};

}  // namespace

PodSummary summarise_pod(const Value& pod) { return Summariser(pod).run(); }

}  // namespace kobuk::api
