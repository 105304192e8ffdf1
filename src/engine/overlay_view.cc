// Overlay mounts by fsopen(2) and fsmount(2); https://docs.kernel.org/filesystems/overlayfs.html.
#include "engine/overlay_view.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include <cerrno>
#include <thread>

#include "sys/file.h"
#include "sys/kernel.h"

namespace kobuk::engine {

namespace {

// fsconfig(2) takes at most 255 bytes a value, so layers are named by descriptors: one setting each where the kernel
// has "lowerdir+" (6.8), else joined, which is enough for 14 layers.
Result<sys::UniqueFd> mount_overlay(const std::vector<std::string>& layers, std::vector<sys::MountOption> more, uint64_t attributes) {
  std::vector<sys::UniqueFd> open;
  std::vector<std::string> paths;
  for (const std::string& layer : layers) {
    KOBUK_TRY(sys::UniqueFd fd, sys::open_file(layer, O_PATH | O_DIRECTORY));
    paths.push_back(sys::fd_path(fd.get()));
    open.push_back(std::move(fd));
  }
  std::vector<sys::MountOption> options;
  for (const std::string& path : paths) options.push_back({"lowerdir+", path});
  options.insert(options.end(), more.begin(), more.end());
  auto mounted = sys::real_kernel().new_mount("overlay", "overlay", options, attributes);
  if (mounted || mounted.error().system_errno() != EINVAL) return mounted;
  std::vector<sys::MountOption> joined = {{"lowerdir", join(paths, ":")}};
  joined.insert(joined.end(), more.begin(), more.end());
  return sys::real_kernel().new_mount("overlay", "overlay", joined, attributes);
}

}  // namespace

Result<sys::UniqueFd> open_layers(const std::vector<std::string>& layers) {
  if (layers.empty()) return fail(Code::kNotFound, "the image has no layers");
  // An overlay needs two layers, or one and a folder to write to.
  if (layers.size() == 1) return sys::open_file(layers.front(), O_RDONLY | O_DIRECTORY);
  return mount_overlay(layers, {}, MOUNT_ATTR_RDONLY);
}

Result<sys::UniqueFd> open_overlay(const std::vector<std::string>& layers, const std::string& upper, const std::string& work) {
  return mount_overlay(layers, {{"upperdir", upper}, {"workdir", work}}, 0);
}

Result<sys::UniqueFd> open_root_alone(const std::string& mount_namespace) {
  KOBUK_TRY(sys::UniqueFd space, sys::open_file(mount_namespace, O_RDONLY));
  Result<sys::UniqueFd> out = fail(Code::kInternal, "no thread ran");
  auto clone = [&]() -> Result<sys::UniqueFd> {
    sys::Kernel& kernel = sys::real_kernel();
    KOBUK_CHECK(kernel.unshare(CLONE_FS));  // root and working directory, which a mount namespace brings along
    KOBUK_CHECK(kernel.join_namespace(space.get(), CLONE_NEWNS));
    KOBUK_TRY(sys::UniqueFd root, sys::open_file("/", O_PATH | O_DIRECTORY));
    return kernel.clone_mount(root.get(), false);
  };
  std::thread visitor([&] { out = clone(); });
  visitor.join();
  return out;
}

}  // namespace kobuk::engine
