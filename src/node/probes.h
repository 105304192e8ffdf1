// Probes of one pod's containers: when they run and what has come of them. A timer a probe and period; nothing else.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "engine/cri.h"
#include "io/loop.h"
#include "node/handlers.h"
#include "node/pod.h"
#include "node/runtime_cache.h"

namespace kobuk::node {

enum class ProbeKind : uint8_t { kStartup, kReadiness, kLiveness };
std::string_view probe_title(ProbeKind kind);  // "Startup"

// Counts successes and failures in a row against the thresholds. Pure.
class ProbeCounter {
 public:
  explicit ProbeCounter(const core::Probe& probe) : probe_(probe) {}
  enum class Change : uint8_t { kNone, kPassed, kFailed };
  Change add(Verdict verdict);  // what has changed by it; kFailed once a row of failures

 private:
  const core::Probe& probe_;
  bool known_ = false, good_ = false;
  int successes_ = 0, failures_ = 0;
};

class Probes {
 public:
  // on_result: a verdict has changed. on_event: (container name, type, reason, message).
  using OnEvent = std::function<void(const std::string&, std::string_view, std::string_view, std::string)>;
  Probes(io::Loop& loop, engine::Cri& cri, std::function<void()> on_result, OnEvent on_event)
      : loop_(&loop), cri_(&cri), on_result_(std::move(on_result)), on_event_(std::move(on_event)) {}

  // Starts the probes of containers that run since, ends those of containers that do not run any more.
  // `held`: container ids that are not to be probed yet (their postStart hook runs).
  void follow(const core::Pod& pod, const PodRuntime& runtime, const std::string& ip, const std::set<std::string>& held);
  void stop();  // all of them; verdicts stay

  // Container ids.
  std::set<std::string> started() const, not_ready() const, liveness_failed() const, startup_failed() const;

 private:
  struct Container {
    Target target;
    WallTime started_at{};
    bool started = false, ready = false, liveness_failed = false, startup_failed = false;
    std::unique_ptr<io::TaskGroup> tasks;
  };
  void begin(Container& container);
  void begin_steady(Container& container);
  io::Task<void> watch(ProbeKind kind, std::string id);
  void apply(Container& container, ProbeKind kind, ProbeCounter::Change change);
  void report(const Container& container, ProbeKind kind, const Outcome& outcome);

  io::Loop* loop_;
  engine::Cri* cri_;
  std::function<void()> on_result_;
  OnEvent on_event_;
  std::map<std::string, Container> containers_;  // by id
};

const core::Probe* probe_of(const core::Container& container, ProbeKind kind);  // or nullptr

}  // namespace kobuk::node
