// A profile is one cluster with its container engine on this host. Several run side by side: each has its own folders,
// addresses, bridge names, nft tables and cgroups.
//
//   KOBUK_TRY(Profile profile, find_profile("default"));
//   profile.store_directory();          // "/var/lib/kobuk/default/store"
//
// Its record, profile.json in its root folder, is what `kobuk start` decided once and every role reads.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "app/address_plan.h"
#include "base/result.h"

namespace kobuk::app {

inline constexpr std::string_view kDataDirectory = "/var/lib/kobuk";
inline constexpr std::string_view kRunDirectory = "/run/kobuk";

struct Profile {
  std::string name = "default";
  std::string root;             // "/var/lib/kobuk/default", or what --root named
  int slot = 0;                 // decides the addresses
  uint16_t port = 6443;         // of the API server
  uint16_t registry_port = 5000;  // of the registry that this profile serves on loopback
  int64_t cpus = 0;             // of the node; 0: all of the host
  int64_t memory_bytes = 0;     // likewise
  std::string node_name;
  bool process_per_role = false;  // else one process runs all roles
  std::string store = "embedded";           // or "etcd"
  std::vector<std::string> etcd_servers;
  std::map<std::string, std::vector<std::string>> mirrors;  // "docker.io" → URLs
  std::vector<std::string> insecure_registries;

  AddressPlan addresses() const { return plan_addresses(slot); }
  std::string run_directory() const;
  std::string docker_socket() const;      // path
  std::string cri_socket() const;         // path
  std::string control_socket(std::string_view process) const;  // "serve", "engine", …
  std::string pki_directory() const;
  std::string store_directory() const;
  std::string kubeconfig_path() const;
  std::string log_path(std::string_view process) const;
  std::string cgroup_root() const;        // "/kobuk-default"
};

// kInvalid unless it can be part of file, interface and table names: [a-z0-9]([a-z0-9-]*[a-z0-9])?, at most 24 long.
Result<void> check_profile_name(std::string_view name);
// A cluster's folder is its own, since `kobuk delete` removes it whole: kInvalid unless `root` is an absolute path without
// "..", and kFailedPrecondition when something is there already.
Result<void> check_new_root(const std::string& root);
// kNotFound with the remedy: kobuk start.
Result<Profile> find_profile(const std::string& name);
Result<std::vector<Profile>> list_profiles();
Result<void> save_profile(const Profile& profile);
// The record's text and back; kDataLoss for what is no record. Any thread.
std::string encode_profile(const Profile& profile);
Result<Profile> decode_profile(std::string_view text);

}  // namespace kobuk::app
