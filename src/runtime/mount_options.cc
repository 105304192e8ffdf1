// OCI runtime-spec 1.2, config.md "Linux mount options"; mount(8) "FILESYSTEM-INDEPENDENT MOUNT OPTIONS".
#include "runtime/mount_options.h"

#include <sys/mount.h>

namespace kobuk::runtime {
namespace {

struct Attribute {
  std::string_view name;
  uint64_t set, clear;
};
constexpr Attribute kAttributes[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0},
    {"rw", 0, MOUNT_ATTR_RDONLY},
    {"nosuid", MOUNT_ATTR_NOSUID, 0},
    {"suid", 0, MOUNT_ATTR_NOSUID},
    {"nodev", MOUNT_ATTR_NODEV, 0},
    {"dev", 0, MOUNT_ATTR_NODEV},
    {"noexec", MOUNT_ATTR_NOEXEC, 0},
    {"exec", 0, MOUNT_ATTR_NOEXEC},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0},
    {"diratime", 0, MOUNT_ATTR_NODIRATIME},
    {"nosymfollow", MOUNT_ATTR_NOSYMFOLLOW, 0},
    {"symfollow", 0, MOUNT_ATTR_NOSYMFOLLOW},
    // The access-time mode is one field of several bits: setting any value needs all of it cleared.
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"relatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"atime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
    {"norelatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME},
    {"nostrictatime", MOUNT_ATTR_RELATIME, MOUNT_ATTR__ATIME},
};

struct Propagation {
  std::string_view name;
  uint64_t flag;
};
constexpr Propagation kPropagations[] = {
    {"private", MS_PRIVATE}, {"slave", MS_SLAVE}, {"shared", MS_SHARED}, {"unbindable", MS_UNBINDABLE}};

bool take_attribute(std::string_view option, sys::MountChange& into) {
  for (const Attribute& a : kAttributes) {
    if (option != a.name) continue;
    // The later option wins, as in mount(8).
    into.set = (into.set & ~a.clear) | a.set;
    into.clear = (into.clear & ~a.set) | a.clear;
    return true;
  }
  return false;
}

bool take_propagation(std::string_view option, MountOptions& out) {
  for (const Propagation& p : kPropagations) {
    bool recursive = option.starts_with('r') && option.substr(1) == p.name;
    if (!recursive && option != p.name) continue;
    out.propagation = p.flag;
    out.recursive_propagation = recursive;
    return true;
  }
  return false;
}

}  // namespace

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options) {
  MountOptions out;
  for (const std::string& option : options) {
    if (option.empty() || option == "defaults" || option == "async") continue;
    if (option == "bind" || option == "rbind") {
      out.bind = true;
      out.recursive_bind = out.recursive_bind || option == "rbind";
      continue;
    }
    if (take_propagation(option, out) || take_attribute(option, out.attributes)) continue;
    if (option.starts_with('r') &&
        take_attribute(std::string_view(option).substr(1), out.recursive_attributes)) {
      out.recursive_attributes.recursive = true;
      continue;
    }
    if (option == "remount" || option == "tmpcopyup" || option == "idmap" || option == "ridmap")
      return fail(Code::kUnsupported, "the mount option ", go_quote(option),
                  " is not supported; leave it out");
    size_t equals = option.find('=');
    if (equals == option.npos) {
      out.data.push_back({option, ""});
    } else {
      out.data.push_back({option.substr(0, equals), option.substr(equals + 1)});
    }
  }
  return out;
}

}  // namespace kobuk::runtime
