// /livez, /readyz and /healthz, each with ?verbose, ?exclude=<check>, and /<check> below it.
#include <algorithm>
#include <span>

#include "base/log.h"
#include "base/strings.h"
#include "controlplane/apiserver/handlers.h"

namespace kobuk::controlplane::apiserver {
namespace {

using io::http::Response;

struct Check {
  std::string_view name;
  bool good;
};

bool is_excluded(const Call& call, std::string_view check) {
  return std::ranges::any_of(call.query, [&](const auto& one) { return one.first == "exclude" && one.second == check; });
}

Response report(const Call& call, std::string_view which, std::string_view wanted, std::span<const Check> checks) {
  std::string text;
  bool good = true, known = false;
  for (const Check& one : checks) {
    if (!wanted.empty() && wanted != one.name) continue;
    known = true;
    bool excluded = is_excluded(call, one.name);
    good = good && (one.good || excluded);
    cat_to(text, one.good || excluded ? "[+]" : "[-]", one.name,
           excluded ? " excluded: ok\n" : one.good ? " ok\n" : " failed: reason withheld\n");
  }
  if (!known) return io::http::json_response(404, path_not_found().to_json());
  cat_to(text, which, " check ", good ? "passed\n" : "failed\n");
  bool verbose = query_flag(call.query, "verbose") || io::http::query_has(call.query, "verbose");
  Response out = io::http::text_response(good ? 200 : 500, good && !verbose ? "ok" : text);
  out.headers.set("X-Content-Type-Options", "nosniff");
  return out;
}

// A read that a store which has lost its quorum, or its disk, can not answer.
io::Task<bool> store_answers(Core& core) {
  auto read = co_await core.store.range({.range = store::one_key("/registry/health")});
  if (!read) log::warn("the store does not answer", {{"error", read.error().message()}});
  co_return read.has_value();
}

}  // namespace

io::Task<std::optional<Response>> handle_health(Core& core, Call& call) {
  std::string_view path = call.info.path;
  while (path.ends_with('/')) path.remove_suffix(1);
  if (path.starts_with('/')) path.remove_prefix(1);
  size_t slash = path.find('/');
  std::string_view which = path.substr(0, slash), wanted = slash == path.npos ? std::string_view() : path.substr(slash + 1);
  if (which != "healthz" && which != "livez" && which != "readyz") co_return std::nullopt;
  bool starts = which == "readyz" || which == "healthz";
  // Who leaves that check out may do so because the store does not answer: it is not waited for then.
  bool asked = (wanted.empty() || wanted == "etcd") && !is_excluded(call, "etcd");
  bool stored = !asked || co_await store_answers(core);
  const Check checks[] = {{"ping", true},
                          {"log", true},
                          {"etcd", stored},
                          {"poststarthook/start-system-namespaces", !starts || core.ready},
                          {"shutdown", which != "readyz" || !core.stopping}};
  co_return report(call, which, wanted, checks);
}

}  // namespace kobuk::controlplane::apiserver
