// The end of containers: removal of one, stopping all, and leaving nothing of the profile on the host.
#include <csignal>

#include "base/log.h"
#include "engine/core.h"
#include "engine/names.h"
#include "sys/file.h"

namespace kobuk::engine {

io::Task<Result<void>> Core::remove(EntryPtr entry, RemoveOptions options) {
  KOBUK_CO_CHECK(adopted(*entry));
  while (true) {
    if (entry->running() && options.force) {
      auto killed = co_await kill(entry, SIGKILL);
      // It may have ended by itself meanwhile.
      if (!killed && entry->running()) co_return fail(std::move(killed).error().context("cannot remove container \"", entry->record.name, "\""));
    }
    auto pass = co_await entry->turnstile.enter();
    if (entry->running() && options.force) continue;  // somebody was about to start it
    auto removed = co_await remove_locked(entry, options);
    co_return removed;
  }
}

io::Task<Result<void>> Core::remove_locked(EntryPtr entry, RemoveOptions options) {
  KOBUK_CO_CHECK(still_there(*entry));
  if (entry->running() || (entry->status.status == Status::kRestarting && !options.force)) {
    const char* state = entry->status.status == Status::kPaused ? "paused" : entry->status.status == Status::kRestarting ? "restarting" : "running";
    co_return fail(Code::kConflict, "cannot remove container \"", entry->record.name.empty() ? entry->record.id : cat("/", entry->record.name),
                   "\": container is ", state, ": stop the container before removing or force remove");
  }
  if (entry->restart_timer != 0) loop_.cancel_timer(std::exchange(entry->restart_timer, 0));
  // Where the disk is full the mark is not kept, and the removal goes on, for it makes room. A crash within it then leaves
  // a container that has ended, which can be removed again.
  entry->status.status = Status::kRemoving;
  save_status(*entry);
  co_await take_down(entry);
  std::vector<std::string> anonymous;
  for (const MountRecord& mount : entry->record.mounts)
    if (mount.type == MountType::kVolume && mount.anonymous && options.volumes) anonymous.push_back(mount.source);
  auto gone = co_await records_.remove_container(entry->record.id);
  if (!gone) {
    set_status(*entry, Status::kDead);
    co_return fail(std::move(gone).error().context("driver failed to remove root filesystem of ", entry->record.id));
  }
  if (entry->record.origin == Origin::kSandbox) {
    auto shm = sys::remove_tree(cat(options_.run_directory, "/shm/", entry->record.id));
    if (!shm) log::warn("a pod's shared memory could not be removed", {{"id", entry->record.id}, {"reason", shm.error().message()}});
  }
  entry->removed = true;
  entries_.erase(entry->record.id);
  if (auto name = names_.find(entry->record.name); name != names_.end() && name->second == entry->record.id) names_.erase(name);
  entry->changed.set();
  for (auto& waiter : std::exchange(entry->pending, {})) {
    waiter->error.emplace(Code::kNotFound, cat("No such container: ", entry->record.id));
    waiter->ready.set();
  }
  publish(*entry, "destroy");
  co_await remove_anonymous_volumes(std::move(anonymous));
  co_return Result<void>();
}

io::Task<void> Core::auto_remove(EntryPtr entry) {
  RemoveOptions options{.force = false, .volumes = true};
  auto removed = co_await remove(entry, options);
  if (!removed && !entry->removed && !entry->running())
    log::error("a container could not be removed", {{"id", entry->record.id}, {"reason", removed.error().message()}});
}

io::Task<void> Core::stop_one(EntryPtr entry, Duration grace) {
  bool by_user = entry->status.stopped_by_user;
  auto stopped = co_await stop(entry, std::nullopt, grace);
  if (!stopped) log::error("a container could not be stopped", {{"id", entry->record.id}, {"reason", stopped.error().message()}});
  // It is the engine that stops: restart policies act at its next start.
  if (entry->removed) co_return;
  entry->status.stopped_by_user = by_user;
  save_status(*entry);
}

io::Task<Result<void>> Core::stop_everything(Duration grace) {
  stopping_ = true;
  {
    io::TaskGroup group(loop_);
    for (const auto& [id, entry] : entries_)
      if (entry->record.origin != Origin::kSandbox) group.spawn(stop_one(entry, grace));
    co_await group.join();
  }
  io::TaskGroup group(loop_);
  for (const auto& [id, entry] : entries_) group.spawn(stop_one(entry, grace));
  co_await group.join();
  stopping_ = false;
  for (const auto& [id, entry] : entries_)
    if (entry->running()) co_return fail(Code::kInternal, "container ", id, " could not be stopped");
  co_return Result<void>();
}

namespace {

io::Task<void> remove_one(Core& core, EntryPtr entry, std::shared_ptr<std::optional<Error>> failure) {
  RemoveOptions options{.force = true, .volumes = true};
  auto removed = co_await core.remove(entry, options);
  if (!removed && !entry->removed) failure->emplace(removed.error());
}

}  // namespace

io::Task<Result<void>> Core::remove_everything() {
  stopping_ = closing_ = true;
  auto failure = std::make_shared<std::optional<Error>>();
  // Containers before the sandboxes whose namespaces they are in.
  for (bool sandboxes : {false, true}) {
    io::TaskGroup group(loop_);
    for (const auto& [id, entry] : entries_)
      if ((entry->record.origin == Origin::kSandbox) == sandboxes) group.spawn(remove_one(*this, entry, failure));
    co_await group.join();
  }
  if (*failure) co_return fail(**failure);
  KOBUK_CO_CHECK(networks_->clean_up());
  KOBUK_CO_CHECK(runtime_->remove_cgroups());
  KOBUK_CO_CHECK(sys::remove_tree(cat(options_.run_directory, "/shm")));
  KOBUK_CO_CHECK(sys::remove_tree(cat(options_.run_directory, "/containers")));
  KOBUK_CO_CHECK(sys::remove_tree(cat(options_.run_directory, "/network")));
  co_return Result<void>();
}

}  // namespace kobuk::engine
