// The birth of a container: its name, its record, its folders. Nothing runs yet.
#include <unistd.h>

#include "base/log.h"
#include "engine/core.h"
#include "engine/names.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

// Who waits for a name holds it; given back unless the container comes to be.
class Reservation {
 public:
  Reservation(std::map<std::string, std::string, std::less<>>& names, std::string name) : names_(names), name_(std::move(name)) {}
  Reservation(const Reservation&) = delete;
  ~Reservation() {
    if (!kept_ && !name_.empty()) names_.erase(name_);
  }
  void keep() { kept_ = true; }

 private:
  std::map<std::string, std::string, std::less<>>& names_;
  std::string name_;
  bool kept_ = false;
};

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof name - 1) == 0 ? name : "";
}

Result<void> check_binds(const ContainerRecord& record) {
  for (const MountRecord& mount : record.mounts) {
    if (mount.type != MountType::kBind || mount.create_source) continue;
    if (!sys::exists(mount.source))
      return fail(Code::kInvalid, "invalid mount config for type \"bind\": bind source path does not exist: ", mount.source);
  }
  return {};
}

Result<void> make_folders(const std::string& directory) {
  for (const char* name : {"/upper", "/work", "/files"}) KOBUK_CHECK(sys::make_directories(cat(directory, name), 0755));
  // What the container sees as "/" is the upper folder: root's alone to enter from the host (the folder above is 0710).
  return {};
}

}  // namespace

Result<void> still_there(const Entry& entry) {
  if (entry.removed) return fail(Code::kNotFound, "No such container: ", entry.record.id);
  return {};
}

Result<void> adopted(const Entry& entry) {
  if (entry.unadopted.empty()) return {};
  return fail(Code::kFailedPrecondition, "container ", entry.record.id, " of an earlier daemon can't be reached and is left alone: ", entry.unadopted,
              ": mend that, or kill its processes, and start the daemon again");
}

Result<EntryPtr> Core::find(std::string_view reference) const {
  std::string_view name = reference;
  if (name.starts_with('/')) name.remove_prefix(1);
  if (auto exact = entries_.find(std::string(name)); exact != entries_.end()) return exact->second;
  if (auto named = names_.find(name); named != names_.end()) {
    if (auto entry = entries_.find(named->second); entry != entries_.end()) return entry->second;
  }
  auto first = name.empty() ? entries_.end() : entries_.lower_bound(std::string(name));
  if (first == entries_.end() || !first->first.starts_with(name)) return fail(Code::kNotFound, "No such container: ", reference);
  if (auto second = std::next(first); second != entries_.end() && second->first.starts_with(name))
    return fail(Code::kInvalid, "multiple IDs found with provided prefix: ", reference);
  return first->second;
}

void Core::publish(const Entry& entry, std::string action, std::map<std::string, std::string> more) {
  const ContainerRecord& record = entry.record;
  EngineEvent event{.type = "container", .action = std::move(action), .id = record.id, .attributes = record.labels, .time = {}, .sandbox_id = {}};
  event.attributes.merge(more);
  event.attributes["image"] = record.image;
  event.attributes["name"] = record.name;
  if (record.origin != Origin::kDocker) event.sandbox_id = record.origin == Origin::kSandbox ? record.id : record.sandbox_id;
  events_.publish(std::move(event));
}

io::Task<Result<EntryPtr>> Core::create(ContainerRecord record) {
  if (closing_) co_return fail(Code::kUnavailable, "the engine is being removed");
  if (record.id.empty()) record.id = new_id();
  record.created = loop_.now();
  if (record.origin == Origin::kDocker) {
    if (record.name.empty()) {
      do record.name = new_name();
      while (names_.contains(record.name));
    }
    KOBUK_CO_CHECK(check_name(record.name, "container"));
    if (auto taken = names_.find(record.name); taken != names_.end())
      co_return fail(Code::kConflict, "Conflict. The container name \"/", record.name, "\" is already in use by container \"", taken->second,
                     "\". You have to remove (or rename) that container to be able to reuse that name.");
    names_[record.name] = record.id;
    if (record.hostname.empty() && record.uts_mode != "host" && !record.network_mode.starts_with("container:"))
      record.hostname = record.network_mode == "host" ? host_name() : short_id(record.id);
    if (!record.hostname.empty() && !record.env.empty()) record.env.insert(record.env.begin() + 1, cat("HOSTNAME=", record.hostname));
  }
  // Only Docker's names are unique in the engine.
  Reservation reservation(names_, record.origin == Origin::kDocker ? record.name : "");
  KOBUK_CO_CHECK(check_binds(record));
  std::string directory = files_directory(record.id);
  if (record.log.type == "json-file" && record.log.path.empty()) record.log.path = cat(directory, "/logs/json.log");
  auto entry = std::make_shared<Entry>(loop_, std::move(record));
  for (const MountRecord& mount : entry->record.mounts) {
    if (mount.type != MountType::kVolume) continue;
    VolumeRecord volume{.name = mount.source, .anonymous = mount.anonymous};
    KOBUK_CO_TRY(VolumeRecord made, co_await create_volume(std::move(volume)));
  }
  auto stored = co_await records_.put(entry->record);
  if (stored) stored = make_folders(directory);
  if (stored && entry->record.log.type == "json-file") stored = sys::make_directories(cat(directory, "/logs"), 0750);
  if (stored) stored = records_.put_status(entry->record.id, entry->status);
  if (!stored) {
    // The record may have been the thing that could not be written: what there is goes.
    std::vector<std::string> anonymous;
    for (const MountRecord& mount : entry->record.mounts)
      if (mount.type == MountType::kVolume && mount.anonymous) anonymous.push_back(mount.source);
    auto undone = co_await records_.remove_container(entry->record.id);
    if (!undone) log::warn("a container that could not be made left something behind", {{"reason", undone.error().message()}});
    co_await remove_anonymous_volumes(std::move(anonymous));
    co_return fail(std::move(stored).error().context("create container"));
  }
  entries_[entry->record.id] = entry;
  reservation.keep();
  publish(*entry, "create");
  co_return entry;
}

io::Task<Result<void>> Core::rename(EntryPtr entry, std::string name) {
  auto pass = co_await entry->turnstile.enter();
  KOBUK_CO_CHECK(still_there(*entry));
  if (name.starts_with('/')) name.erase(0, 1);
  if (name.empty()) co_return fail(Code::kInvalid, "Neither old nor new names may be empty");
  KOBUK_CO_CHECK(check_name(name, "container"));
  std::string old = entry->record.name;
  if (name == old) co_return fail(Code::kInvalid, "Renaming a container with the same name as its current name");
  if (auto taken = names_.find(name); taken != names_.end())
    co_return fail(Code::kConflict, "Error when allocating new name: Conflict. The container name \"/", name,
                   "\" is already in use by container \"", taken->second,
                   "\". You have to remove (or rename) that container to be able to reuse that name.");
  names_[name] = entry->record.id;
  Reservation reservation(names_, name);
  ContainerRecord changed = entry->record;
  changed.name = name;
  KOBUK_CO_CHECK(co_await records_.put(changed));
  reservation.keep();
  entry->record.name = name;
  names_.erase(old);
  publish(*entry, "rename", {{"oldName", cat("/", old)}});
  for (const EndpointRecord& endpoint : entry->record.endpoints) refresh_hosts(endpoint.network);
  co_return Result<void>();
}

io::Task<Result<void>> Core::update(EntryPtr entry, Update update) {
  auto pass = co_await entry->turnstile.enter();
  KOBUK_CO_CHECK(still_there(*entry));
  ContainerRecord changed = entry->record;
  auto take = [](auto& to, const auto& from) {
    if (from) to = from;
  };
  sys::CgroupLimits& limits = changed.limits;
  take(limits.memory_max, update.limits.memory_max), take(limits.memory_low, update.limits.memory_low);
  take(limits.memory_swap_max, update.limits.memory_swap_max), take(limits.pids_max, update.limits.pids_max);
  take(limits.cpu_shares, update.limits.cpu_shares), take(limits.cpu_quota_us, update.limits.cpu_quota_us);
  take(limits.cpu_period_us, update.limits.cpu_period_us), take(limits.cpuset_cpus, update.limits.cpuset_cpus);
  take(limits.cpuset_mems, update.limits.cpuset_mems);
  for (const auto& [file, text] : update.limits.unified) limits.unified[file] = text;
  if (update.restart) {
    if (changed.auto_remove && *update.restart != RestartMode::kNo)
      co_return fail(Code::kInvalid, "Restart policy cannot be updated because AutoRemove is enabled for the container");
    changed.restart = *update.restart, changed.restart_tries = update.restart_tries;
  }
  if (entry->live && entry->running()) {
    auto applied = co_await entry->live->update(update.limits);
    if (!applied) co_return fail(std::move(applied).error().context("Cannot update container ", entry->record.id));
  }
  KOBUK_CO_CHECK(co_await records_.put(changed));
  entry->record = std::move(changed);
  publish(*entry, "update");
  co_return Result<void>();
}

}  // namespace kobuk::engine
