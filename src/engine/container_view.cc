// A container's files as the container sees them: through its own mount namespace while it runs, else its overlay, with
// what lies in a volume or bind looked up there.
#include <fcntl.h>

#include "engine/archive.h"
#include "engine/core.h"
#include "engine/overlay_view.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

// "/a/./b//c/.." → "/a/b"; never above "/". Symlinks are not looked at.
std::string clean_path(std::string_view path) {
  std::vector<std::string_view> out;
  for (std::string_view part : split(path, '/')) {
    if (part == "..") {
      if (!out.empty()) out.pop_back();
    } else if (!part.empty() && part != ".") {
      out.push_back(part);
    }
  }
  std::string text;
  for (std::string_view part : out) cat_to(text, "/", part);
  return text.empty() ? "/" : text;
}

bool lies_in(std::string_view path, std::string_view folder) {
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

io::Task<Result<Core::View>> Core::view(EntryPtr entry, std::string path) {
  KOBUK_CO_CHECK(adopted(*entry));
  path = clean_path(path);
  View out;
  out.path = path;
  out.readonly = entry->record.readonly_rootfs;
  const MountRecord* best = nullptr;
  for (const MountRecord& mount : entry->record.mounts)
    if (lies_in(path, mount.destination) && (best == nullptr || mount.destination.size() > best->destination.size())) best = &mount;
  if (best != nullptr) out.readonly = best->readonly;
  if (entry->live && entry->running()) {
    int pid = entry->live->state().pid;
    KOBUK_CO_TRY(out.root, sys::open_file(cat("/proc/", pid, "/root"), O_PATH | O_DIRECTORY));
    co_return out;
  }
  if (best != nullptr && best->type != MountType::kTmpfs) {
    std::string source = best->type == MountType::kVolume ? volume_path(best->source) : best->source;
    auto folder = sys::open_file(source, O_PATH | O_DIRECTORY);
    if (folder) {
      out.root = std::move(*folder);
      out.path = path.substr(best->destination.size());
      if (out.path.empty()) out.path = "/";
      co_return out;
    }
  }
  KOBUK_CO_TRY(out.root, co_await overlay_of(entry));
  co_return out;
}

io::Task<Result<sys::UniqueFd>> Core::root_alone(EntryPtr entry) {
  KOBUK_CO_CHECK(adopted(*entry));
  if (!entry->live || !entry->running()) {
    auto stopped = co_await overlay_of(entry);
    co_return stopped;
  }
  auto work = [space = entry->live->namespace_path(runtime::NamespaceKind::kMount)] { return open_root_alone(space); };
  auto root = co_await loop_.offload("container files", work);
  co_return root;
}

io::Task<Result<sys::UniqueFd>> Core::overlay_of(EntryPtr entry) {
  KOBUK_CO_TRY(auto layers, co_await images_->layers(entry->record.image_id));
  std::string directory = files_directory(entry->record.id);
  auto work = [layers, directory] { return open_overlay(layers, cat(directory, "/upper"), cat(directory, "/work")); };
  auto opened = co_await loop_.offload("container files", work);
  co_return opened;
}

}  // namespace kobuk::engine
