#include "app/profile.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "codec/json.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

std::string record_path(const std::string& root) { return cat(root, "/profile.json"); }

codec::Value texts(codec::Arena& arena, const std::vector<std::string>& from) {
  codec::Value out = codec::Value::array(arena, from.size());
  for (const std::string& text : from) out.push(arena, codec::Value::string(arena, text));
  return out;
}

std::vector<std::string> read_texts(const codec::Value& from) {
  std::vector<std::string> out;
  for (const codec::Value& item : from.items()) out.emplace_back(item.as_string());
  return out;
}

Result<uint16_t> read_port(const codec::Value& from, std::string_view name) {
  int64_t port = from[name].as_int();
  if (port < 1 || port > 65535) return fail(Code::kDataLoss, name, " of the profile's record is no port");
  return static_cast<uint16_t>(port);
}

}  // namespace

std::string Profile::run_directory() const { return cat(kRunDirectory, "/", name); }
std::string Profile::docker_socket() const { return cat(run_directory(), "/docker.sock"); }
std::string Profile::cri_socket() const { return cat(run_directory(), "/cri.sock"); }
std::string Profile::control_socket(std::string_view process) const { return cat(run_directory(), "/", process, ".sock"); }
std::string Profile::pki_directory() const { return cat(root, "/pki"); }
std::string Profile::store_directory() const { return cat(root, "/store"); }
std::string Profile::kubeconfig_path() const { return cat(root, "/kubeconfig"); }
std::string Profile::log_path(std::string_view process) const { return cat(root, "/logs/", process, ".log"); }
std::string Profile::cgroup_root() const { return cat("/kobuk-", name); }

Result<void> check_profile_name(std::string_view name) {
  auto word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  bool good = !name.empty() && name.size() <= 24 && word(name.front()) && word(name.back()) &&
              std::all_of(name.begin(), name.end(), [&](char c) { return word(c) || c == '-'; });
  if (good) return {};
  return fail(Code::kInvalid, "profile ", go_quote(name),
              " is no name: use at most 24 of a-z, 0-9 and -, beginning and ending with a letter or digit");
}

Result<void> check_new_root(const std::string& root) {
  bool climbs = std::ranges::any_of(split(root, '/'), [](std::string_view part) { return part == ".."; });
  if (!root.starts_with('/') || root.find_first_not_of('/') == std::string::npos || climbs) {
    return fail(Code::kInvalid, "--root ", go_quote(root), " has to be an absolute path without .., and not / itself");
  }
  if (!sys::exists(root)) return {};
  auto names = sys::list_directory(root);
  if (!names) return fail(std::move(names).error().context("--root"));
  if (names->empty()) return {};
  return fail(Code::kFailedPrecondition, "--root ", root, " is not empty, and kobuk delete would remove what is there; "
              "name a new folder, as ", root, "/kobuk");
}

std::string encode_profile(const Profile& profile) {
  codec::Arena arena;
  codec::Value out = codec::Value::object(), mirrors = codec::Value::object();
  auto text = [&](std::string_view key, const std::string& value) { out.set(arena, key, codec::Value::string(arena, value)); };
  auto number = [&](std::string_view key, int64_t value) { out.set(arena, key, codec::Value::integer(value)); };
  text("name", profile.name);
  text("root", profile.root);
  number("slot", profile.slot);
  number("port", profile.port);
  number("registryPort", profile.registry_port);
  number("cpus", profile.cpus);
  number("memoryBytes", profile.memory_bytes);
  text("nodeName", profile.node_name);
  out.set(arena, "processPerRole", codec::Value::boolean(profile.process_per_role));
  text("store", profile.store);
  out.set(arena, "etcdServers", texts(arena, profile.etcd_servers));
  for (const auto& [host, urls] : profile.mirrors) mirrors.set(arena, host, texts(arena, urls));
  out.set(arena, "mirrors", mirrors);
  out.set(arena, "insecureRegistries", texts(arena, profile.insecure_registries));
  return codec::to_json_pretty(out);
}

Result<Profile> decode_profile(std::string_view text) {
  auto parsed = codec::parse_json(text, {.max_bytes = 1 << 20, .max_depth = 8});
  if (!parsed) return fail(std::move(parsed).error().with_code(Code::kDataLoss));
  const codec::Value& from = parsed->root;
  Profile out;
  out.name = from["name"].as_string();
  out.root = from["root"].as_string();
  if (!check_profile_name(out.name) || !out.root.starts_with('/')) return fail(Code::kDataLoss, "not the record of a profile");
  int64_t slot = from["slot"].as_int(-1);
  if (slot < 0 || slot >= kSlots) return fail(Code::kDataLoss, "the profile's record has no slot");
  out.slot = static_cast<int>(slot);
  KOBUK_TRY(out.port, read_port(from, "port"));
  KOBUK_TRY(out.registry_port, read_port(from, "registryPort"));
  out.cpus = from["cpus"].as_int();
  out.memory_bytes = from["memoryBytes"].as_int();
  out.node_name = from["nodeName"].as_string();
  out.process_per_role = from["processPerRole"].as_bool();
  out.store = from["store"].as_string("embedded");
  out.etcd_servers = read_texts(from["etcdServers"]);
  for (const codec::Member& member : from["mirrors"].members()) out.mirrors[std::string(member.key)] = read_texts(member.value);
  out.insecure_registries = read_texts(from["insecureRegistries"]);
  return out;
}

Result<Profile> find_profile(const std::string& name) {
  KOBUK_CHECK(check_profile_name(name));
  auto text = sys::read_file(record_path(cat(kDataDirectory, "/", name)), 1 << 20);
  if (!text && text.error().code() == Code::kNotFound) {
    std::string option = name == "default" ? "" : cat(" --profile ", name);
    return fail(Code::kNotFound, "there is no profile ", go_quote(name), "; make it with: kobuk start", option);
  }
  if (!text) return fail(std::move(text).error());
  auto profile = decode_profile(*text);
  if (!profile) return fail(std::move(profile).error().context(record_path(cat(kDataDirectory, "/", name))));
  return profile;
}

Result<std::vector<Profile>> list_profiles() {
  std::vector<Profile> out;
  std::string directory(kDataDirectory);
  if (!sys::exists(directory)) return out;
  KOBUK_TRY(auto names, sys::list_directory(directory));
  for (const std::string& name : names) {
    if (!check_profile_name(name)) continue;
    auto profile = find_profile(name);
    if (profile) out.push_back(*std::move(profile));
    else if (profile.error().code() != Code::kNotFound) return fail(std::move(profile).error());
  }
  return out;
}

Result<void> save_profile(const Profile& profile) {
  std::string home = cat(kDataDirectory, "/", profile.name);
  KOBUK_CHECK(sys::make_directories(profile.root, 0711));
  if (profile.root != home) {  // found by its name all the same
    KOBUK_CHECK(sys::make_directories(std::string(kDataDirectory)));
    if (symlink(profile.root.c_str(), home.c_str()) != 0 && errno != EEXIST) return fail_errno(errno, cat("symlink ", home));
  }
  return sys::write_file_atomic(record_path(profile.root), encode_profile(profile), 0600);
}

}  // namespace kobuk::app
