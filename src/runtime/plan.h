// Plan: everything that makes a container, decided beforehand as data. make_plan() is pure; the monitor
// applies it.
//
//   KOBUK_TRY(Plan plan, make_plan(spec, facts));
//   plan.seccomp_filter = …compiled spec.seccomp…;
//   std::string bytes = encode_plan(plan);                  // to the monitor
//
// Targets of steps are paths in the container ("dev/pts", without the leading slash); sources are paths of
// the host.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "runtime/spec.h"
#include "sys/host_facts.h"
#include "sys/kernel.h"

namespace kobuk::runtime {

// The steps of the container's init, in order, after it has been born in its new namespaces.
struct SetPropagation {
  uint64_t flags = 0;  // MS_* of "/": the host's copy before PivotRoot, the container's own root after it
  bool operator==(const SetPropagation&) const = default;
};
struct RootOverlay {
  std::vector<std::string> lower;  // top first
  std::string upper, work;         // empty: read-only
  bool lowerdir_plus = true;       // one fsconfig a layer (Linux 6.8); else one joined string
  bool operator==(const RootOverlay&) const = default;
};
struct RootDirectory {
  std::string path;
  bool operator==(const RootDirectory&) const = default;
};
struct RootEmpty {  // a small read-only tmpfs
  bool operator==(const RootEmpty&) const = default;
};
struct NewMount {
  std::string target, type, source;
  std::vector<sys::MountOption> options;
  sys::MountChange change;  // attributes and propagation
  bool operator==(const NewMount&) const = default;
};
struct BindMount {
  std::string target, source;
  bool recursive = false;
  std::vector<sys::MountChange> changes;  // in order, before anybody sees the mount
  bool optional = false;                  // an absent source is fine
  bool operator==(const BindMount&) const = default;
};
struct ChangeMount {  // the attributes of what is mounted at target
  std::string target;
  sys::MountChange change;
  bool operator==(const ChangeMount&) const = default;
};
struct MakeNode {
  std::string path;
  uint32_t mode = 0;  // S_IFCHR | 0666
  uint32_t major = 0, minor = 0, uid = 0, gid = 0;
  bool operator==(const MakeNode&) const = default;
};
struct MakeLink {
  std::string path, target;
  bool operator==(const MakeLink&) const = default;
};
struct OpenTerminal {  // of the container's devpts; also /dev/console; its master goes to the monitor
  bool operator==(const OpenTerminal&) const = default;
};
struct SetHostname {
  std::string name, domain;
  bool operator==(const SetHostname&) const = default;
};
struct LoopbackUp {
  bool operator==(const LoopbackUp&) const = default;
};
struct SetSysctl {
  std::string path, value;  // "net/ipv4/ip_forward"
  bool operator==(const SetSysctl&) const = default;
};
struct MaskPath {  // a file becomes /dev/null, a folder an empty read-only tmpfs; absent is fine
  std::string path;
  bool operator==(const MaskPath&) const = default;
};
struct ReadonlyPath {  // absent is fine
  std::string path;
  bool operator==(const ReadonlyPath&) const = default;
};
struct ReadonlyRoot {
  bool operator==(const ReadonlyRoot&) const = default;
};
struct NewCgroupNamespace {  // v1: after the monitor has moved us into our groups
  bool operator==(const NewCgroupNamespace&) const = default;
};
struct PivotRoot {
  bool operator==(const PivotRoot&) const = default;
};

using Step = std::variant<SetPropagation, RootOverlay, RootDirectory, RootEmpty, NewMount, BindMount,
                          ChangeMount, MakeNode, MakeLink, OpenTerminal, SetHostname, LoopbackUp, SetSysctl,
                          MaskPath, ReadonlyPath, ReadonlyRoot, NewCgroupNamespace, PivotRoot>;

struct JoinNamespace {
  uint64_t kind = 0;  // CLONE_NEW*
  std::string path;
  bool operator==(const JoinNamespace&) const = default;
};

struct ProcessPlan {
  std::vector<std::string> args;
  std::vector<std::string> env;
  std::string cwd;
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;
  std::string user;  // as User::name
  sys::CapabilitySets capabilities;
  bool no_new_privileges = false;
  std::vector<Rlimit> rlimits;
  bool set_oom_score = false;
  int32_t oom_score_adj = 0;
  uint32_t umask = 0022;
  bool terminal = false;
  ConsoleSize console;
  std::string seccomp_filter;  // an array of sock_filter; empty: none
};

// The order of steps is part of the plan. Sources of bind mounts are opened before the first step, so that
// shared ones stay peers of the host's mounts although everything else is cut off from the host.
struct Plan {
  std::string id;
  uint64_t clone_flags = 0;  // CLONE_NEW* at birth
  std::vector<JoinNamespace> joins;
  sys::CgroupPlan cgroup;  // path empty: none
  std::vector<Step> steps;
  bool pause = false;
  ProcessPlan process;
  bool stdin_open = false;
  bool stdin_once = false;
  LogConfig log;
  bool kill_rest =
      false;  // without a pid namespace of its own: when init ends, the rest of the group is killed
  std::string memory_events;  // the control file that counts OOM kills; empty: not known
};

// kInvalid for a spec that makes no sense, kUnsupported for what the host lacks; both say what to change.
Result<Plan> make_plan(const ContainerSpec& spec, const sys::HostFacts& facts);
Result<ProcessPlan> make_process_plan(const Process& process, const sys::HostFacts& facts);

std::string encode_plan(const Plan& plan);
Result<Plan> decode_plan(std::string_view bytes);  // kDataLoss; bounded, fuzzed
std::string encode_process(const ProcessPlan& process);
Result<ProcessPlan> decode_process(std::string_view bytes);

std::string describe(const Step& step);  // one line, for errors and golden tests
std::string describe(const Plan& plan);

}  // namespace kobuk::runtime
