#include "app/docker/run_options.h"

#include <cmath>
#include <cstdlib>

#include "codec/json.h"

namespace kobuk::app::docker {
namespace {

using codec::Arena;
using codec::Value;

Value text_list(Arena& arena, const std::vector<std::string>& texts) {
  Value out = Value::array();
  for (const std::string& text : texts) out.push(arena, Value::string(arena, text));
  return out;
}

// "[IP:][HOST:]CONTAINER[/PROTOCOL]"
struct Port {
  std::string ip, host, container;
};
Result<Port> parse_publish(const std::string& text) {
  Port out;
  size_t slash = text.find('/');
  std::string protocol = slash == std::string::npos ? "tcp" : text.substr(slash + 1);
  std::string rest = text.substr(0, slash);
  size_t last = rest.rfind(':');
  std::string container = last == std::string::npos ? rest : rest.substr(last + 1);
  if (last != std::string::npos) {
    std::string before = rest.substr(0, last);
    size_t colon = before.rfind(':');
    out.host = colon == std::string::npos ? before : before.substr(colon + 1);
    if (colon != std::string::npos) out.ip = before.substr(0, colon);
  }
  auto in_range = [](const std::string& port) {
    auto number = parse_uint(port);
    return number && *number > 0 && *number < 65536;
  };
  bool good = in_range(container) && (out.host.empty() || in_range(out.host)) && (protocol == "tcp" || protocol == "udp" || protocol == "sctp");
  if (!good) return fail(Code::kInvalid, "invalid publish ", go_quote(text), ": use [IP:][HOST-PORT:]CONTAINER-PORT[/tcp|udp|sctp]");
  out.container = cat(container, "/", protocol);
  return out;
}

Result<int64_t> parse_bytes(const std::string& text) {
  size_t digits = text.find_first_not_of("0123456789");
  auto amount = parse_int(text.substr(0, digits));
  std::string unit = digits == std::string::npos ? "b" : to_lower(text.substr(digits));
  int shift = unit == "b" ? 0 : unit == "k" || unit == "kb" ? 10 : unit == "m" || unit == "mb" ? 20 : unit == "g" || unit == "gb" ? 30 : -1;
  if (!amount || shift < 0 || *amount > (INT64_MAX >> shift)) return fail(Code::kInvalid, "invalid size: ", go_quote(text), "; use 512m or 1g");
  return *amount << shift;
}

Result<void> add_ports(Arena& arena, const RunOptions& options, Value& body, Value& host) {
  Value exposed = Value::object(), bindings = Value::object();
  for (const std::string& text : options.publish) {
    KOBUK_TRY(Port port, parse_publish(text));
    exposed.set(arena, port.container, Value::object());
    Value binding = Value::object();
    binding.set(arena, "HostIp", Value::string(arena, port.ip));
    binding.set(arena, "HostPort", Value::string(arena, port.host));
    Value& list = bindings.get_or_add(arena, port.container);
    list.push(arena, binding);
  }
  body.set(arena, "ExposedPorts", exposed);
  host.set(arena, "PortBindings", bindings);
  host.set(arena, "PublishAllPorts", Value::boolean(options.publish_all));
  return {};
}

Result<void> add_limits(Arena& arena, const RunOptions& options, Value& host) {
  if (!options.memory.empty()) {
    KOBUK_TRY(int64_t bytes, parse_bytes(options.memory));
    host.set(arena, "Memory", Value::integer(bytes));
  }
  if (!options.cpus.empty()) {
    char* end = nullptr;
    double cpus = std::strtod(options.cpus.c_str(), &end);
    if (*end != '\0' || !(cpus > 0) || cpus > 1e6) return fail(Code::kInvalid, "invalid --cpus ", go_quote(options.cpus), "; use 0.5 or 2");
    host.set(arena, "NanoCpus", Value::integer(std::llround(cpus * 1e9)));
  }
  size_t colon = options.restart.find(':');
  std::string policy = options.restart.substr(0, colon);
  auto tries = colon == std::string::npos ? std::optional<int64_t>(0) : parse_int(options.restart.substr(colon + 1));
  bool known = policy == "no" || policy == "always" || policy == "unless-stopped" || policy == "on-failure";
  if (!known || !tries || (colon != std::string::npos && policy != "on-failure")) {
    return fail(Code::kInvalid, "invalid restart policy ", go_quote(options.restart), "; use no, on-failure[:N], always or unless-stopped");
  }
  Value restart = Value::object();
  restart.set(arena, "Name", Value::string(arena, policy));
  restart.set(arena, "MaximumRetryCount", Value::integer(*tries));
  host.set(arena, "RestartPolicy", restart);
  return {};
}

}  // namespace

void declare_run_options(Options& options, RunOptions& to) {
  options.flag("detach", 'd', "in the background; prints the container's id", &to.detach);
  options.flag("rm", 0, "remove the container when it has ended", &to.rm);
  options.flag("interactive", 'i', "keep standard input open", &to.interactive);
  options.flag("tty", 't', "give it a terminal", &to.tty);
  options.text("name", 0, "NAME", "of the container", &to.name);
  options.list("publish", 'p', "PORTS", "[IP:][HOST-PORT:]CONTAINER-PORT[/PROTOCOL]", &to.publish);
  options.flag("publish-all", 'P', "every port that the image exposes, to free ports", &to.publish_all);
  options.list("env", 'e', "NAME=VALUE", "environment", &to.env);
  options.list("volume", 'v', "SOURCE:TARGET[:ro]", "a folder of the host or a named volume", &to.volumes);
  options.list("tmpfs", 0, "TARGET[:OPTIONS]", "memory as a folder", &to.tmpfs);
  options.list("label", 'l', "NAME=VALUE", "metadata", &to.labels);
  options.text("network", 0, "NAME", "bridge (default), host, none, or a network", &to.network);
  options.text("hostname", 'h', "NAME", "of the container", &to.hostname);
  options.text("user", 'u', "USER[:GROUP]", "who it runs as", &to.user);
  options.text("workdir", 'w', "DIR", "working directory", &to.workdir);
  options.text("entrypoint", 0, "PROGRAM", "instead of the image's", &to.entrypoint);
  options.text("restart", 0, "POLICY", "no, on-failure[:N], always, unless-stopped", &to.restart);
  options.text("memory", 'm', "SIZE", "limit, as 512m", &to.memory);
  options.text("cpus", 0, "N", "limit, as 1.5", &to.cpus);
  options.list("cap-add", 0, "NAME", "give a capability", &to.cap_add);
  options.list("cap-drop", 0, "NAME", "take a capability", &to.cap_drop);
  options.list("security-opt", 0, "OPTION", "no-new-privileges, seccomp=unconfined", &to.security);
  options.flag("read-only", 0, "a root file system that cannot be written", &to.read_only);
  options.flag("privileged", 0, "everything that the host's root may do", &to.privileged);
  options.stop_at_first_argument();
}

Result<std::string> create_body(const RunOptions& options) {
  Arena arena;
  Value body = Value::object(), host = Value::object();
  auto text = [&](std::string_view key, const std::string& value) { body.set(arena, key, Value::string(arena, value)); };
  bool attached = !options.detach;
  text("Image", options.image);
  text("Hostname", options.hostname);
  text("User", options.user);
  text("WorkingDir", options.workdir);
  body.set(arena, "Env", text_list(arena, options.env));
  body.set(arena, "Tty", Value::boolean(options.tty));
  body.set(arena, "OpenStdin", Value::boolean(options.interactive));
  body.set(arena, "StdinOnce", Value::boolean(options.interactive && attached));
  body.set(arena, "AttachStdin", Value::boolean(options.interactive && attached));
  body.set(arena, "AttachStdout", Value::boolean(attached));
  body.set(arena, "AttachStderr", Value::boolean(attached));
  if (!options.command.empty()) body.set(arena, "Cmd", text_list(arena, options.command));
  if (!options.entrypoint.empty()) body.set(arena, "Entrypoint", text_list(arena, {options.entrypoint}));
  Value labels = Value::object(), tmpfs = Value::object();
  for (const std::string& label : options.labels) {
    size_t equals = label.find('=');
    labels.set(arena, label.substr(0, equals), Value::string(arena, equals == std::string::npos ? "" : label.substr(equals + 1)));
  }
  body.set(arena, "Labels", labels);
  for (const std::string& mount : options.tmpfs) {
    size_t colon = mount.find(':');
    tmpfs.set(arena, mount.substr(0, colon), Value::string(arena, colon == std::string::npos ? "" : mount.substr(colon + 1)));
  }
  host.set(arena, "Tmpfs", tmpfs);
  host.set(arena, "Binds", text_list(arena, options.volumes));
  host.set(arena, "NetworkMode", Value::string(arena, options.network.empty() ? "default" : options.network));
  host.set(arena, "AutoRemove", Value::boolean(options.rm));
  host.set(arena, "CapAdd", text_list(arena, options.cap_add));
  host.set(arena, "CapDrop", text_list(arena, options.cap_drop));
  host.set(arena, "SecurityOpt", text_list(arena, options.security));
  host.set(arena, "ReadonlyRootfs", Value::boolean(options.read_only));
  host.set(arena, "Privileged", Value::boolean(options.privileged));
  KOBUK_CHECK(add_ports(arena, options, body, host));
  KOBUK_CHECK(add_limits(arena, options, host));
  body.set(arena, "HostConfig", host);
  return codec::to_json(body);
}

}  // namespace kobuk::app::docker
