#include "node/volumes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "api/quantity.h"
#include "base/strings.h"
#include "node/atomic_writer.h"
#include "sys/file.h"
#include "sys/volume_mount.h"

namespace kobuk::node {
namespace {

std::string plugin_of(const core::Volume& volume) {
  if (volume.config_map) return "kubernetes.io~configmap";
  if (volume.secret) return "kubernetes.io~secret";
  if (volume.downward_api) return "kubernetes.io~downward-api";
  if (volume.projected) return "kubernetes.io~projected";
  return "kubernetes.io~empty-dir";
}

bool is_tmpfs(const std::string& path) {
  struct statfs info{};
  struct stat self{}, parent{};
  if (::statfs(path.c_str(), &info) != 0 || info.f_type != 0x01021994) return false;  // TMPFS_MAGIC
  // The folder itself must be the mount, not just lie on some tmpfs.
  if (::stat(path.c_str(), &self) != 0 || ::stat((path + "/..").c_str(), &parent) != 0) return false;
  return self.st_dev != parent.st_dev;
}

Result<void> give_to_group(const std::string& path, int64_t gid) {
  struct stat info{};
  if (::lstat(path.c_str(), &info) != 0) return fail_errno(errno, cat("stat ", path));
  if (::lchown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(gid)) != 0) return fail_errno(errno, cat("chown ", path));
  if (S_ISLNK(info.st_mode)) return {};
  mode_t mode = (info.st_mode & 07777) | 0660;
  if (S_ISDIR(info.st_mode)) mode |= 02110;
  if (::chmod(path.c_str(), mode) != 0) return fail_errno(errno, cat("chmod ", path));
  if (!S_ISDIR(info.st_mode)) return {};
  KOBUK_TRY(auto names, sys::list_directory(path));
  for (const std::string& name : names) KOBUK_CHECK(give_to_group(cat(path, "/", name), gid));
  return {};
}

Result<void> apply_empty_dir(const VolumePlan& plan) {
  bool fresh = !sys::exists(plan.path);
  if (fresh) {
    KOBUK_CHECK(sys::make_directories(plan.path));
    if (::chmod(plan.path.c_str(), 0777) != 0) return fail_errno(errno, cat("chmod ", plan.path));
  }
  if (plan.kind == VolumeKind::kMemory && !is_tmpfs(plan.path)) {
    KOBUK_CHECK(sys::mount_tmpfs(plan.path, plan.size, 0777));
    fresh = true;
  }
  if (fresh && plan.gid) return give_to_group(plan.path, *plan.gid);
  return {};
}

bool type_fits(const std::string& type, mode_t mode) {
  if (type.starts_with("Directory")) return S_ISDIR(mode);
  if (type.starts_with("File")) return S_ISREG(mode);
  if (type == "Socket") return S_ISSOCK(mode);
  if (type == "CharDevice") return S_ISCHR(mode);
  if (type == "BlockDevice") return S_ISBLK(mode);
  return true;
}

std::string_view type_words(const std::string& type) {
  if (type.starts_with("Directory")) return "directory";
  if (type.starts_with("File")) return "file";
  if (type == "Socket") return "socket file";
  if (type == "CharDevice") return "character device";
  return "block device";
}

Result<void> apply_host_path(const VolumePlan& plan) {
  const std::string& type = plan.host_path_type;
  if (type.empty()) return {};
  struct stat info{};
  if (::stat(plan.path.c_str(), &info) != 0) {
    if (type == "DirectoryOrCreate") return sys::make_directories(plan.path, 0755);
    if (type == "FileOrCreate") return sys::write_file(plan.path, "", 0644);
    if (type == "Directory" || type == "File" || type == "Socket" || type == "CharDevice" || type == "BlockDevice") {
      return fail(Code::kNotFound, "hostPath type check failed: ", plan.path, " is not a ", type_words(type));
    }
  }
  if (!type_fits(type, info.st_mode)) {
    return fail(Code::kFailedPrecondition, "hostPath type check failed: ", plan.path, " is not a ", type_words(type));
  }
  return {};
}

Result<std::vector<std::string>> below(const std::string& directory) {
  auto names = sys::list_directory(directory);
  if (!names && names.error().code() == Code::kNotFound) return std::vector<std::string>();
  if (!names) return fail(std::move(names).error());
  for (std::string& name : *names) name = cat(directory, "/", name);
  return *std::move(names);
}

}  // namespace

std::string volume_path(const std::string& pod_directory, const core::Volume& volume) {
  if (volume.host_path) return volume.host_path->path;
  return cat(pod_directory, "/volumes/", plugin_of(volume), "/", volume.name);
}

Result<VolumePlan> plan_volume(const core::Volume& volume, const core::Pod& pod, const PodObjects& objects,
                               const VolumeTokens& tokens, const NodeIdentity& node, const std::string& pod_directory) {
  VolumePlan plan;
  plan.name = volume.name;
  plan.path = volume_path(pod_directory, volume);
  if (pod.spec.security_context) plan.gid = pod.spec.security_context->fs_group;
  if (volume.empty_dir) {
    bool memory = volume.empty_dir->medium == "Memory";
    if (!memory && !volume.empty_dir->medium.empty()) {
      return fail(Code::kUnsupported, "emptyDir medium ", volume.empty_dir->medium, " is not supported by this node");
    }
    plan.kind = memory ? VolumeKind::kMemory : VolumeKind::kEmptyDir;
    auto size = api::Quantity::parse(volume.empty_dir->size_limit.empty() ? "0" : volume.empty_dir->size_limit);
    if (size && size->value() > 0) plan.size = static_cast<uint64_t>(size->value());
    return plan;
  }
  if (volume.host_path) {
    plan.kind = VolumeKind::kHostPath;
    plan.host_path_type = volume.host_path->type;
    plan.gid.reset();
    return plan;
  }
  if (has_payload(volume)) {
    plan.kind = VolumeKind::kPayload;
    KOBUK_TRY(plan.payload, make_payload(volume, pod, objects, tokens, node));
    return plan;
  }
  return fail(Code::kUnsupported, "volume \"", volume.name, "\" is of a type that this node does not mount: it mounts ",
              "emptyDir, configMap, secret, downwardAPI, projected and hostPath");
}

Result<void> apply_volume(const VolumePlan& plan, WallTime now) {
  switch (plan.kind) {
    case VolumeKind::kEmptyDir:
    case VolumeKind::kMemory: return apply_empty_dir(plan);
    case VolumeKind::kHostPath: return apply_host_path(plan);
    case VolumeKind::kPayload: break;
  }
  KOBUK_TRY(bool changed, write_payload(plan.path, plan.payload, plan.gid, now));
  (void)changed;
  return {};
}

Result<void> unmount_volumes(const std::string& pod_directory) {
  KOBUK_TRY(auto volumes, below(pod_directory + "/volume-subpaths"));
  for (const std::string& volume : volumes) {
    KOBUK_TRY(auto containers, below(volume));
    for (const std::string& container : containers) {
      KOBUK_TRY(auto binds, below(container));
      for (const std::string& bind : binds) KOBUK_CHECK(sys::unmount(bind));
    }
  }
  KOBUK_TRY(auto empty_dirs, below(pod_directory + "/volumes/kubernetes.io~empty-dir"));
  for (const std::string& path : empty_dirs) {
    if (is_tmpfs(path)) KOBUK_CHECK(sys::unmount(path));
  }
  return {};
}

Result<void> remove_pod_directory(const std::string& pod_directory) {
  KOBUK_CHECK(unmount_volumes(pod_directory));
  return sys::remove_tree(pod_directory);
}

Result<std::string> prepare_sub_path(const SubPathRequest& request, const std::string& pod_directory) {
  std::string_view path = request.sub_path;
  if (path.starts_with("/")) return fail(Code::kInvalid, "error SubPath `", path, "` must not be an absolute path");
  for (std::string_view part : split(path, '/')) {
    if (part == "..") return fail(Code::kInvalid, "unable to create subPath directory: must not contain backsteps: ", path);
  }
  KOBUK_TRY(sys::UniqueFd root, sys::open_file(request.volume_path, O_PATH | O_DIRECTORY));
  auto found = sys::open_in_root(root.get(), path, O_PATH);
  if (!found && found.error().code() == Code::kNotFound) {
    found = sys::make_directory_in_root(root.get(), path, 0750);
    // The parent's mode: a container that is not root must be able to use what root has made for it.
    struct stat parent{};
    if (found && ::fstat(root.get(), &parent) == 0) ::chmod(sys::fd_path(found->get()).c_str(), parent.st_mode & 07777);
  }
  if (!found) return fail(std::move(found).error().context("failed to prepare subPath for volumeMount \"", request.volume, "\""));
  struct stat info{};
  if (::fstat(found->get(), &info) != 0) return fail_errno(errno, "stat a subPath");
  std::string folder = cat(pod_directory, "/volume-subpaths/", request.volume, "/", request.container);
  std::string target = cat(folder, "/", request.index);
  KOBUK_CHECK(sys::make_directories(folder, 0750));
  KOBUK_CHECK(sys::unmount(target));  // of an earlier start of this container
  KOBUK_CHECK(sys::remove_tree(target));
  if (S_ISDIR(info.st_mode)) {
    KOBUK_CHECK(sys::make_directories(target));
  } else {
    KOBUK_CHECK(sys::write_file(target, ""));
  }
  KOBUK_CHECK(sys::bind_mount(found->get(), target));
  return target;
}

Result<void> make_message_file(const std::string& path) {
  KOBUK_CHECK(sys::make_directories(path.substr(0, path.rfind('/')), 0755));
  KOBUK_CHECK(sys::write_file(path, "", 0666));
  if (::chmod(path.c_str(), 0666) != 0) return fail_errno(errno, cat("chmod ", path));  // past our umask
  return {};
}

}  // namespace kobuk::node
