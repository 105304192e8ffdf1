// Volumes: folders that outlive containers. A new one is filled with what the image has at its place, when a container
// first mounts it.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "engine/archive.h"
#include "engine/core.h"
#include "engine/names.h"
#include "engine/overlay_view.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

// Copies the image's folder `destination`, owner and mode included, into the empty volume.
Result<void> copy_up(const std::vector<std::string>& layers, const std::string& destination, const std::string& volume) {
  KOBUK_TRY(sys::UniqueFd root, open_layers(layers));
  auto from = sys::open_in_root(root.get(), destination, O_RDONLY | O_DIRECTORY);
  if (!from) {
    if (from.error().code() == Code::kNotFound || from.error().system_errno() == ENOTDIR) return {};  // the image has no such folder
    return fail(std::move(from).error());
  }
  KOBUK_TRY(sys::UniqueFd to, sys::open_file(volume, O_RDONLY | O_DIRECTORY));
  return copy_tree(from->get(), to.get());
}

Result<bool> is_empty(const std::string& directory) {
  KOBUK_TRY(auto names, sys::list_directory(directory));
  return names.empty();
}

}  // namespace

std::string Core::volume_path(const std::string& name) const { return cat(records_.volume_directory(name), "/_data"); }

io::Task<Result<VolumeRecord>> Core::create_volume(VolumeRecord record) {
  if (record.name.empty()) record.name = new_id(), record.anonymous = true;
  KOBUK_CO_CHECK(check_name(record.name, "volume"));
  if (auto found = volumes_.find(record.name); found != volumes_.end()) co_return found->second;
  record.created = loop_.now();
  auto stored = co_await records_.put(record);
  if (!stored) {
    auto undone = co_await records_.remove_volume(record.name);
    co_return fail(std::move(stored).error().context("create volume ", record.name));
  }
  volumes_[record.name] = record;
  events_.publish({.type = "volume", .action = "create", .id = record.name, .attributes = {{"driver", "local"}}, .time = {}, .sandbox_id = {}});
  co_return record;
}

std::vector<EntryPtr> Core::volume_users(const std::string& name) const {
  std::vector<EntryPtr> out;
  for (const auto& [id, entry] : entries_) {
    auto same = [&](const MountRecord& mount) { return mount.type == MountType::kVolume && mount.source == name; };
    if (std::any_of(entry->record.mounts.begin(), entry->record.mounts.end(), same)) out.push_back(entry);
  }
  return out;
}

io::Task<Result<void>> Core::remove_volume(std::string name, bool force) {
  if (!volumes_.contains(name)) {
    if (force) co_return Result<void>();
    co_return fail(Code::kNotFound, "get ", name, ": no such volume");
  }
  if (auto users = volume_users(name); !users.empty())
    co_return fail(Code::kConflict, "remove ", name, ": volume is in use - [", users.front()->record.id, "]");
  volumes_.erase(name);
  KOBUK_CO_CHECK(co_await records_.remove_volume(name));
  events_.publish({.type = "volume", .action = "destroy", .id = name, .attributes = {{"driver", "local"}}, .time = {}, .sandbox_id = {}});
  co_return Result<void>();
}

io::Task<void> Core::remove_anonymous_volumes(std::vector<std::string> names) {
  for (const std::string& name : names) {
    if (!volume_users(name).empty()) continue;
    auto removed = co_await remove_volume(name, true);
    if (!removed) log::warn("an anonymous volume could not be removed", {{"name", name}, {"reason", removed.error().message()}});
  }
}

io::Task<Result<std::map<std::string, std::string>>> Core::prepare_volumes(EntryPtr entry, std::vector<std::string> layers) {
  std::map<std::string, std::string> out;
  for (const MountRecord& mount : entry->record.mounts) {
    if (mount.type == MountType::kBind && mount.create_source && !sys::exists(mount.source)) {
      KOBUK_CO_CHECK(sys::make_directories(mount.source, 0755));
    }
    if (mount.type != MountType::kVolume) continue;
    if (!volumes_.contains(mount.source)) co_return fail(Code::kNotFound, "get ", mount.source, ": no such volume");
    std::string path = volume_path(mount.source);
    out[mount.source] = path;
    KOBUK_CO_TRY(bool empty, is_empty(path));
    if (!mount.copy || !empty || layers.empty()) continue;
    std::string destination = mount.destination;
    auto work = [layers, destination, path] { return copy_up(layers, destination, path); };
    auto copied = co_await loop_.offload("fill volume", work);
    if (!copied) co_return fail(std::move(copied).error().context("fill volume ", mount.source, " from the image"));
  }
  co_return out;
}

}  // namespace kobuk::engine
