#include "engine/container_devices.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <filesystem>

#include "sys/device_filter.h"

namespace kobuk::engine {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNodes = 1024;
constexpr int kMaxDepth = 8;
// Folders of /dev that are mounts of each container's own, or no devices.
constexpr std::string_view kSkippedFolders[] = {"pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev"};

bool is_device(mode_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

runtime::Device node(const struct stat& found, std::string path) {
  runtime::Device out;
  out.path = std::move(path);
  out.type = S_ISBLK(found.st_mode) ? 'b' : 'c';
  out.major = major(found.st_rdev);
  out.minor = minor(found.st_rdev);
  out.mode = found.st_mode & 0777;
  out.uid = found.st_uid;
  out.gid = found.st_gid;
  return out;
}

// Nodes below `folder`, with their paths below `inside`. A node that goes away meanwhile is left out.
Result<std::vector<runtime::Device>> nodes_below(const std::string& folder, const std::string& inside) {
  std::vector<runtime::Device> out;
  std::error_code error;
  fs::recursive_directory_iterator walk(folder, fs::directory_options::skip_permission_denied, error), end;
  if (error) return fail_errno(error.value(), cat("read ", folder));
  for (; walk != end; walk.increment(error)) {
    if (error) return fail_errno(error.value(), cat("read ", folder));
    const std::string path = walk->path().string(), name = walk->path().filename().string();
    struct stat found {};
    if (lstat(path.c_str(), &found) != 0) continue;
    if (S_ISDIR(found.st_mode) && (walk.depth() >= kMaxDepth || std::ranges::count(kSkippedFolders, name) > 0)) walk.disable_recursion_pending();
    if (!is_device(found.st_mode) || name == "console") continue;
    if (out.size() == kMaxNodes) return fail(Code::kInvalid, folder, " holds more than ", kMaxNodes, " devices");
    out.push_back(node(found, cat(inside, path.substr(folder.size()))));
  }
  return out;
}

void put(runtime::ContainerSpec& spec, runtime::Device device) {
  std::erase_if(spec.devices, [&](const runtime::Device& old) { return old.path == device.path; });
  spec.devices.push_back(std::move(device));
}

std::string without_end_slash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

}  // namespace

Result<void> add_device(runtime::ContainerSpec& spec, const DeviceRecord& device) {
  auto refuse = [&](std::string_view why) {
    return fail(Code::kInvalid, "error gathering device information while adding custom device \"", device.host, "\": ", why);
  };
  struct stat found {};
  if (stat(device.host.c_str(), &found) != 0) return refuse("no such file or directory");
  const std::string host = without_end_slash(device.host);
  const std::string inside = device.container.empty() ? host : without_end_slash(device.container);
  KOBUK_TRY(uint8_t access, sys::parse_device_access(device.permissions));
  std::vector<runtime::Device> nodes;
  if (S_ISDIR(found.st_mode)) {
    KOBUK_TRY(nodes, nodes_below(host, inside));
  } else if (is_device(found.st_mode)) {
    nodes.push_back(node(found, inside));
  }
  if (nodes.empty()) return refuse("not a device node");
  for (runtime::Device& one : nodes) {
    spec.device_rules.push_back({one.type, one.major, one.minor, access});
    put(spec, std::move(one));
  }
  return {};
}

Result<void> add_host_devices(runtime::ContainerSpec& spec) {
  KOBUK_TRY(auto nodes, nodes_below("/dev", "/dev"));
  for (runtime::Device& one : nodes) put(spec, std::move(one));
  return {};
}

}  // namespace kobuk::engine
