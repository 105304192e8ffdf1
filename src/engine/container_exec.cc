// Further processes in a running container.
#include "engine/container_spec.h"
#include "engine/core.h"
#include "engine/names.h"
#include "engine/seccomp_profile.h"
#include "runtime/defaults.h"

namespace kobuk::engine {

Result<runtime::ExecSpec> Core::exec_spec(const Entry& entry, std::vector<std::string> args) const {
  const ContainerRecord& record = entry.record;
  const sys::HostFacts& facts = runtime_->facts();
  runtime::ExecSpec spec;
  runtime::Process& process = spec.process;
  process.args = std::move(args);
  process.env = record.env;
  process.cwd = record.cwd.empty() ? "/" : record.cwd;
  set_user(process, record.user);
  for (const std::string& group : record.groups)
    if (auto gid = parse_uint(group)) process.user.additional_gids.push_back(static_cast<uint32_t>(*gid));
  KOBUK_TRY(uint64_t mask, capabilities_of(record, facts));
  process.capabilities = runtime::capability_sets(mask);
  process.no_new_privileges = record.no_new_privileges;
  for (const UlimitRecord& limit : record.ulimits) {
    KOBUK_TRY(runtime::Rlimit made, make_rlimit(limit));
    process.rlimits.push_back(made);
  }
  if (record.oom_score_adj) process.oom_score_adj = static_cast<int>(*record.oom_score_adj);
  if (record.privileged || record.seccomp == "unconfined" || !facts.seccomp) return spec;
  if (record.seccomp.empty()) {
    spec.seccomp = runtime::default_seccomp(facts.machine, mask);
  } else {
    KOBUK_TRY(spec.seccomp, parse_seccomp_profile(record.seccomp, facts.machine, mask));
  }
  return spec;
}

Result<ExecPtr> Core::create_exec(const EntryPtr& entry, ExecPtr exec) {
  KOBUK_CHECK(running(entry));
  if (entry->status.status == Status::kPaused)
    return fail(Code::kConflict, "Container ", entry->record.id, " is paused, unpause the container before exec");
  if (exec->args.empty()) return fail(Code::kInvalid, "No exec command specified");
  exec->id = new_id();
  exec->container_id = entry->record.id;
  // Those that have ended are kept to be asked about, within reason.
  constexpr size_t kMaxKept = 1000;
  if (entry->execs.size() >= kMaxKept) std::erase_if(entry->execs, [](const auto& item) { return item.second->exit_code.has_value(); });
  entry->execs[exec->id] = exec;
  publish(*entry, cat("exec_create: ", join(exec->args, " ")), {{"execID", exec->id}});
  return exec;
}

Result<ExecPtr> Core::find_exec(const std::string& id) const {
  for (const auto& [container, entry] : entries_)
    if (auto found = entry->execs.find(id); found != entry->execs.end()) return found->second;
  return fail(Code::kNotFound, "No such exec instance: ", id);
}

namespace {

io::Task<void> follow_exec(Core& core, ExecPtr exec) {
  auto live = exec->live;
  auto end = co_await live->wait();
  exec->exit_code = end ? end->code : 137;
  exec->running = false;
  exec->live.reset();  // with its streams, once nobody serves them any more
  exec->changed.set();
  auto entry = core.find(exec->container_id);
  if (entry) core.publish(**entry, "exec_die", {{"execID", exec->id}, {"exitCode", cat(*exec->exit_code)}});
}

}  // namespace

io::Task<Result<std::shared_ptr<runtime::Exec>>> Core::start_exec(ExecPtr exec) {
  KOBUK_CO_TRY(EntryPtr entry, find(exec->container_id));
  if (exec->started) co_return fail(Code::kConflict, "exec: exec command has already run or is running: ", exec->id);
  KOBUK_CO_TRY(runtime::Container * container, running(entry));
  if (entry->status.status == Status::kPaused)
    co_return fail(Code::kConflict, "Container ", entry->record.id, " is paused, unpause the container before exec");
  KOBUK_CO_TRY(runtime::ExecSpec spec, exec_spec(*entry, exec->args));
  spec.process.env.insert(spec.process.env.end(), exec->env.begin(), exec->env.end());
  if (!exec->cwd.empty()) spec.process.cwd = exec->cwd;
  if (!exec->user.empty()) set_user(spec.process, exec->user);
  if (exec->privileged) {
    spec.process.capabilities = runtime::capability_sets(runtime_->facts().own_capabilities);
    spec.seccomp.reset();
  }
  spec.process.terminal = exec->tty;
  spec.process.console = {exec->columns, exec->rows};
  spec.stdin_open = exec->in, spec.stdout_open = exec->out, spec.stderr_open = exec->err && !exec->tty;
  if (exec->tty) spec.stdout_open = true;
  exec->started = true;
  auto started = co_await container->exec(std::move(spec));
  if (!started) {
    exec->exit_code = started.error().code() == Code::kPermissionDenied ? 126 : 127;
    exec->changed.set();
    co_return fail(std::move(started).error().context("OCI runtime exec failed"));
  }
  std::shared_ptr<runtime::Exec> live = *std::move(started);
  exec->live = live;
  exec->running = true;
  exec->pid = live->pid();
  publish(*entry, cat("exec_start: ", join(exec->args, " ")), {{"execID", exec->id}});
  tasks_.spawn(follow_exec(*this, exec));
  co_return live;
}

}  // namespace kobuk::engine
