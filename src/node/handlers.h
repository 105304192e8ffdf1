// What probes and lifecycle hooks do: a command in the container, an HTTP request, a TCP connection.
#pragma once

#include <string>

#include "engine/cri.h"
#include "io/loop.h"
#include "node/pod.h"

namespace kobuk::node {

enum class Verdict : uint8_t { kSuccess, kWarning, kFailure, kUnknown };  // kUnknown: it could not be found out
struct Outcome {
  Verdict verdict = Verdict::kUnknown;
  std::string text;  // as the Unhealthy event says it
};

// What an action is done on.
struct Target {
  std::string container_id, ip;
  core::Container container;  // its ports have names
};

io::Task<Outcome> run_exec(engine::Cri& cri, std::string container_id, std::vector<std::string> command, Duration timeout);
// Answers of 200…399 succeed. Redirects are followed on the same host; one to another host is a warning.
io::Task<Outcome> run_http(io::Loop& loop, core::HTTPGetAction action, Target target, Duration timeout);
io::Task<Outcome> run_tcp(io::Loop& loop, core::TCPSocketAction action, Target target, Duration timeout);
io::Task<Outcome> run_probe(io::Loop& loop, engine::Cri& cri, core::Probe probe, Target target);
// A postStart or preStop hook. Success when it has none of the actions.
io::Task<Outcome> run_hook(io::Loop& loop, engine::Cri& cri, core::LifecycleHandler hook, Target target, Duration timeout);

// The number of a port given as such or by its name in the container.
Result<uint16_t> resolve_port(const api::IntOrString& port, const core::Container& container);

}  // namespace kobuk::node
