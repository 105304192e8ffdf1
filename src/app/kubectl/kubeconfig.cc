// kubeconfig files (client-go's clientcmd/api/v1): clusters, users and contexts by name.
#include <sys/stat.h>

#include "app/kubectl/session.h"
#include "codec/yaml.h"
#include "sys/file.h"

namespace kobuk::app::kubectl {
namespace {

const codec::Value& named(const codec::Value& list, std::string_view name, std::string_view member) {
  static const codec::Value kNone{};
  for (const codec::Value& item : list.items()) {
    if (item["name"].as_string() == name) return item[member];
  }
  return kNone;
}

// "<name>-data" as base64, or "<name>" as a file; empty when neither is there.
Result<std::string> data_or_file(const codec::Value& from, std::string_view name, const std::string& directory) {
  std::string_view data = from[cat(name, "-data")].as_string();
  if (!data.empty()) {
    auto bytes = unbase64(data);
    if (!bytes) return fail(Code::kInvalid, name, "-data of the kubeconfig is no base64");
    return *std::move(bytes);
  }
  std::string path(from[name].as_string());
  if (path.empty()) return path;
  return sys::read_file(path.starts_with('/') ? path : cat(directory, "/", path), 1 << 20);
}

}  // namespace

Result<Cluster> read_kubeconfig(std::string_view yaml, std::string_view context, const std::string& directory) {
  KOBUK_TRY(codec::Document document, codec::parse_yaml(yaml, {.max_bytes = 4 << 20, .max_depth = 32}));
  const codec::Value& config = document.root;
  std::string_view wanted = context.empty() ? config["current-context"].as_string() : context;
  const codec::Value& chosen = named(config["contexts"], wanted, "context");
  if (chosen.is_null()) return fail(Code::kInvalid, "context ", go_quote(wanted), " does not exist in the kubeconfig");
  const codec::Value& cluster = named(config["clusters"], chosen["cluster"].as_string(), "cluster");
  const codec::Value& user = named(config["users"], chosen["user"].as_string(), "user");
  Cluster out;
  out.server = cluster["server"].as_string();
  if (!out.server.starts_with("http")) return fail(Code::kInvalid, "the kubeconfig names no server for context ", go_quote(wanted));
  if (!user["exec"].is_null() || !user["auth-provider"].is_null()) {
    return fail(Code::kUnsupported, "the kubeconfig's user signs in by a program; use kubectl, or a user with a certificate or token");
  }
  KOBUK_TRY(out.ca_pem, data_or_file(cluster, "certificate-authority", directory));
  KOBUK_TRY(out.certificate_pem, data_or_file(user, "client-certificate", directory));
  KOBUK_TRY(out.key_pem, data_or_file(user, "client-key", directory));
  out.token = user["token"].as_string();
  out.insecure = cluster["insecure-skip-tls-verify"].as_bool();
  if (auto space = chosen["namespace"].as_string(); !space.empty()) out.space = space;
  return out;
}

}  // namespace kobuk::app::kubectl
