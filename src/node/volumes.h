// A pod's volumes on the host: made, brought up to date, shown to containers, and taken away.
//
// Below the pod's folder, as the kubelet lays it out:
//   volumes/kubernetes.io~configmap/<volume>, ~secret, ~empty-dir, ~downward-api, ~projected
//   volume-subpaths/<volume>/<container>/<index>      binds of subPaths
//   containers/<container>/<attempt>                  termination messages
//   etc-hosts
// All functions here block and run off the loop.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "engine/cri.h"
#include "node/volume_payload.h"

namespace kobuk::node {

enum class VolumeKind : uint8_t { kEmptyDir, kMemory, kPayload, kHostPath };

// What one volume needs, decided beforehand.
struct VolumePlan {
  std::string name;
  VolumeKind kind = VolumeKind::kEmptyDir;
  std::string path;             // on the host
  std::string host_path_type;   // kHostPath
  uint64_t size = 0;            // kMemory
  std::optional<int64_t> gid;   // fsGroup; never for hostPath
  VolumePayload payload;
};

std::string volume_path(const std::string& pod_directory, const core::Volume& volume);
// kUnsupported names a volume type that this node can't mount.
Result<VolumePlan> plan_volume(const core::Volume& volume, const core::Pod& pod, const PodObjects& objects,
                               const VolumeTokens& tokens, const NodeIdentity& node, const std::string& pod_directory);

Result<void> apply_volume(const VolumePlan& plan, WallTime now);
// Unmounts and removes everything below the pod's folder but what a hostPath names. Absent is fine.
Result<void> remove_pod_directory(const std::string& pod_directory);
// Unmounts tmpfs and subPaths; files stay. For pods that have ended but still exist.
Result<void> unmount_volumes(const std::string& pod_directory);

// A volumeMount's path on the host: the volume's, or a bind of its subPath, resolved inside the volume.
// `sub_path`: with variables expanded.
struct SubPathRequest {
  std::string volume, volume_path, sub_path, container;
  size_t index = 0;
  bool read_only = false;
};
Result<std::string> prepare_sub_path(const SubPathRequest& request, const std::string& pod_directory);

// An empty file that any user may write to: a container's termination message.
Result<void> make_message_file(const std::string& path);

}  // namespace kobuk::node
