// Plans as text: what errors name and golden tests compare.
#include <sched.h>
#include <sys/mount.h>

#include "runtime/plan.h"

namespace kobuk::runtime {
namespace {

std::string octal(uint32_t mode) {
  std::string out;
  for (; mode != 0; mode >>= 3) out.insert(out.begin(), static_cast<char>('0' + (mode & 7)));
  return cat('0', out);
}

struct Flag {
  uint64_t value;
  std::string_view name;
};
constexpr Flag kPropagation[] = {{MS_REC, "rec"},
                                 {MS_PRIVATE, "private"},
                                 {MS_SLAVE, "slave"},
                                 {MS_SHARED, "shared"},
                                 {MS_UNBINDABLE, "unbindable"}};
constexpr Flag kAttributes[] = {{MOUNT_ATTR_RDONLY, "ro"},
                                {MOUNT_ATTR_NOSUID, "nosuid"},
                                {MOUNT_ATTR_NODEV, "nodev"},
                                {MOUNT_ATTR_NOEXEC, "noexec"},
                                {MOUNT_ATTR_NOATIME, "noatime"},
                                {MOUNT_ATTR_STRICTATIME, "strictatime"},
                                {MOUNT_ATTR_NODIRATIME, "nodiratime"},
                                {MOUNT_ATTR_NOSYMFOLLOW, "nosymfollow"}};
constexpr Flag kNamespaces[] = {{CLONE_NEWNS, "mount"}, {CLONE_NEWPID, "pid"}, {CLONE_NEWNET, "network"},
                                {CLONE_NEWIPC, "ipc"},  {CLONE_NEWUTS, "uts"}, {CLONE_NEWCGROUP, "cgroup"},
                                {CLONE_NEWUSER, "user"}};

template <size_t N>
std::string names(uint64_t value, const Flag (&flags)[N]) {
  std::string out;
  for (const Flag& flag : flags)
    if ((value & flag.value) == flag.value) cat_to(out, out.empty() ? "" : ",", flag.name);
  return out.empty() ? "-" : out;
}

std::string text(const sys::MountChange& c) {
  std::string out;
  if (c.set != 0) cat_to(out, " +", names(c.set, kAttributes));
  if (c.clear != 0) cat_to(out, " -", names(c.clear & ~uint64_t{MOUNT_ATTR__ATIME}, kAttributes));
  if (c.propagation != 0) cat_to(out, ' ', names(c.propagation, kPropagation));
  if (c.recursive && !out.empty()) out += " (recursive)";
  return out;
}

struct Describe {
  std::string operator()(const SetPropagation& s) {
    return cat("propagation ", names(s.flags, kPropagation));
  }
  std::string operator()(const RootOverlay& s) {
    return cat("root overlay lower=", join(s.lower, ":"),
               s.upper.empty() ? "" : cat(" upper=", s.upper, " work=", s.work));
  }
  std::string operator()(const RootDirectory& s) { return cat("root directory ", s.path); }
  std::string operator()(const RootEmpty&) { return "root empty"; }
  std::string operator()(const NewMount& s) {
    std::string out = cat("mount ", s.type, " at /", s.target, " source=", s.source);
    for (const auto& o : s.options) cat_to(out, ' ', o.key, o.value.empty() ? "" : "=", o.value);
    return out + text(s.change);
  }
  std::string operator()(const BindMount& s) {
    std::string out = cat(s.recursive ? "rbind " : "bind ", s.source, " at /", s.target);
    for (const auto& change : s.changes) out += text(change);
    return out + (s.optional ? " if present" : "");
  }
  std::string operator()(const ChangeMount& s) { return cat("change mount /", s.target, text(s.change)); }
  std::string operator()(const MakeNode& s) {
    return cat("node /", s.path, " mode=", octal(s.mode), " device=", s.major, ':', s.minor, " owner=", s.uid, ':',
               s.gid);
  }
  std::string operator()(const MakeLink& s) { return cat("link /", s.path, " to ", s.target); }
  std::string operator()(const OpenTerminal&) { return "terminal"; }
  std::string operator()(const SetHostname& s) {
    return cat("hostname ", s.name, s.domain.empty() ? "" : cat(" domain ", s.domain));
  }
  std::string operator()(const LoopbackUp&) { return "loopback up"; }
  std::string operator()(const SetSysctl& s) { return cat("sysctl ", s.path, " = ", s.value); }
  std::string operator()(const MaskPath& s) { return cat("mask /", s.path); }
  std::string operator()(const ReadonlyPath& s) { return cat("read-only /", s.path); }
  std::string operator()(const ReadonlyRoot&) { return "read-only root"; }
  std::string operator()(const NewCgroupNamespace&) { return "new cgroup namespace"; }
  std::string operator()(const PivotRoot&) { return "pivot root"; }
};

std::string text(const sys::CgroupWrite& w) {
  return cat(w.file, " = ", w.value, w.optional ? " if present" : "");
}

std::string capability_names(uint64_t mask) {
  std::string out;
  for (int i = 0; i <= sys::highest_known_capability(); ++i)
    if ((mask & sys::capability_bit(i)) != 0)
      cat_to(out, out.empty() ? "" : ",", sys::capability_name(i).substr(4));
  return out.empty() ? "-" : out;
}

}  // namespace

std::string describe(const Step& step) { return std::visit(Describe{}, step); }

std::string describe(const Plan& plan) {
  std::string out = cat("container ", plan.id, plan.pause ? " (pause)" : "", "\nnew ",
                        names(plan.clone_flags, kNamespaces), '\n');
  for (const auto& j : plan.joins) cat_to(out, "join ", names(j.kind, kNamespaces), ' ', j.path, '\n');
  for (const auto& d : plan.cgroup.directories) cat_to(out, "cgroup mkdir ", d, '\n');
  for (const auto& w : plan.cgroup.delegations) cat_to(out, "cgroup delegate ", text(w), '\n');
  for (const auto& d : plan.cgroup.cpusets) cat_to(out, "cgroup cpuset ", d, '\n');
  for (const auto& w : plan.cgroup.limits) cat_to(out, "cgroup limit ", text(w), '\n');
  if (!plan.cgroup.born_in.empty()) cat_to(out, "cgroup born in ", plan.cgroup.born_in, '\n');
  for (const auto& d : plan.cgroup.join) cat_to(out, "cgroup join ", d, '\n');
  if (!plan.cgroup.devices_in.empty()) cat_to(out, "cgroup devices in ", plan.cgroup.devices_in, '\n');
  for (const auto& r : plan.cgroup.devices) cat_to(out, "cgroup device ", sys::device_rule_text(r), '\n');
  for (const Step& step : plan.steps) cat_to(out, describe(step), '\n');
  const ProcessPlan& p = plan.process;
  cat_to(out, "exec ", join(p.args, " "), " in ", p.cwd, " as ",
         p.user.empty() ? cat(p.uid, ':', p.gid) : p.user, '\n');
  cat_to(out, "capabilities ", capability_names(p.capabilities.permitted),
         p.no_new_privileges ? " no_new_privs" : "", '\n');
  return out;
}

}  // namespace kobuk::runtime
