// Load on an API server: Pods created, read and deleted over N connections, each with one request at a time, and what
// that took. Prints one JSON object for bench/cluster; any Kubernetes API server will do.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <optional>

#include "app/command_end.h"
#include "app/kubectl/session.h"
#include "sys/file.h"

namespace kobuk::bench {
namespace {

using app::kubectl::Cluster;

struct Wanted {
  std::string kubeconfig, space = "default";
  int64_t count = 2000, connections = 16;
};

// As large as what a Deployment makes (1.3-2.2 KB stored). No scheduler minds it, so that no container starts.
std::string pod(int64_t index) {
  return cat(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"load-)", index,
             R"(","labels":{"app":"load","pod-template-hash":"5d59d67564"}},"spec":{"schedulerName":"none","containers":[{)"
             R"("name":"app","image":"registry.k8s.io/pause:3.10","ports":[{"name":"http","containerPort":8080}],)"
             R"("env":[{"name":"MODE","value":"load"},{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],)"
             R"("resources":{"requests":{"cpu":"10m","memory":"16Mi"},"limits":{"memory":"64Mi"}},)"
             R"("readinessProbe":{"httpGet":{"path":"/healthz","port":"http"}},)"
             R"("volumeMounts":[{"name":"data","mountPath":"/data"}]}],"volumes":[{"name":"data","emptyDir":{}}]}})");
}

struct Operation {
  std::string name, method;
  bool has_body;
};

struct Run {
  Run(io::Loop& loop, const Wanted& wanted, const Operation& operation) : loop(loop), wanted(wanted), operation(operation) {}
  io::Loop& loop;
  const Wanted& wanted;
  const Operation& operation;
  int64_t next = 0;
  std::vector<Duration> took;
  std::optional<Error> failure;
};

io::Task<Result<void>> one(Run& run, io::http::Transport& transport, int64_t index) {
  io::http::Request request;
  request.method = run.operation.method;
  request.target = cat("/api/v1/namespaces/", run.wanted.space, "/pods");
  if (run.operation.has_body) {
    request.headers.set("Content-Type", "application/json");
    request.body = io::http::Body(pod(index));
  } else {
    request.target += cat("/load-", index, run.operation.method == "DELETE" ? "?gracePeriodSeconds=0" : "");
  }
  KOBUK_CO_TRY(io::http::Response response, co_await transport.send(std::move(request)));
  KOBUK_CO_TRY(std::string body, co_await response.body.read_all(1 << 20));
  if (response.status >= 300) co_return fail(app::kubectl::server_error(response.status, body));
  co_return Result<void>();
}

io::Task<void> connection(Run& run, io::http::Transport& transport) {
  while (run.next < run.wanted.count && !run.failure) {
    MonoTime begin = run.loop.mono();
    int64_t index = run.next++;
    Result<void> done = co_await one(run, transport, index);
    if (!done) {
      run.failure = std::move(done).error();
      co_return;
    }
    run.took.push_back(run.loop.mono() - begin);
  }
}

io::Task<void> all(Run& run, std::vector<std::unique_ptr<io::http::Transport>>& transports) {
  io::TaskGroup group(run.loop);
  for (auto& transport : transports) group.spawn(connection(run, *transport));
  co_await group.join();
}

double milliseconds(Duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

Result<std::string> measure(io::Loop& loop, const Wanted& wanted, const Operation& operation,
                            std::vector<std::unique_ptr<io::http::Transport>>& transports) {
  Run run(loop, wanted, operation);
  MonoTime begin = loop.mono();
  loop.run_until_done(all(run, transports));
  if (run.failure) return fail(std::move(*run.failure).context(operation.name));
  double seconds = milliseconds(loop.mono() - begin) / 1000;
  std::sort(run.took.begin(), run.took.end());
  auto part = [&](size_t percent) { return milliseconds(run.took[std::min(run.took.size() - 1, run.took.size() * percent / 100)]); };
  char text[200];
  std::snprintf(text, sizeof text, R"("%s":{"per_second":%.0f,"p50_ms":%.2f,"p99_ms":%.2f})", operation.name.c_str(),
                static_cast<double>(wanted.count) / seconds, part(50), part(99));
  return std::string(text);
}

Result<std::string> load(const Wanted& wanted) {
  if (wanted.count < 1 || wanted.connections < 1) return fail(Code::kInvalid, "--count and --connections have to be 1 or more");
  KOBUK_TRY(std::string text, sys::read_file(wanted.kubeconfig, 4 << 20));
  KOBUK_TRY(Cluster cluster, app::kubectl::read_kubeconfig(text, "", "."));
  io::Loop loop;
  std::vector<std::unique_ptr<io::http::Transport>> transports;
  for (int64_t i = 0; i < wanted.connections; ++i) {
    KOBUK_TRY(auto transport, app::kubectl::connect(loop, cluster));
    transports.push_back(std::move(transport));
  }
  std::string out;
  for (const Operation& operation : {Operation{"create", "POST", true}, {"get", "GET", false}, {"delete", "DELETE", false}}) {
    KOBUK_TRY(std::string figures, measure(loop, wanted, operation, transports));
    out += cat(out.empty() ? "{" : ",", figures);
  }
  return out + "}\n";
}

}  // namespace
}  // namespace kobuk::bench

int main(int argc, char** argv) {
  kobuk::bench::Wanted wanted;
  kobuk::app::Options options{"api_load", "Create, read and delete Pods over N connections, and print the figures as JSON"};
  options.text("kubeconfig", 0, "FILE", "the cluster and who asks", &wanted.kubeconfig);
  options.text("namespace", 'n', "NAME", "where the Pods go (default \"default\")", &wanted.space);
  options.number("count", 0, "N", "Pods (default 2000)", &wanted.count);
  options.number("connections", 0, "N", "each with one request at a time (default 16)", &wanted.connections);
  return kobuk::app::run_plain("api_load", options, {argv + 1, argv + argc}, [&] { return kobuk::bench::load(wanted); });
}
