// The messages of the CRI (cri-api runtime.v1) as protobuf bytes, and back: what cri.h says in C++, for the socket.
// Pure. Internal to the room.
//
//   CreateContainerRequest request;
//   KOBUK_CHECK(wire::decode(bytes, request));
//   std::string bytes = wire::encode(request);
//
// Fields that are not known are skipped. decode() fails with kInvalid for what is no message, with kTooLarge for a list
// longer than kMaxItems, and with kUnsupported for a setting that the engine would have to ignore (it names the field).
//
// Our own fields, numbered from 1001, carry what cri.h has and the CRI does not: other runtimes and clients skip
// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cri.h"

namespace kobuk::engine::wire {

constexpr size_t kMaxItems = 16'384;

// One text at field 1: all the requests that name one sandbox or container, and the answers that are an id.
struct Id {
  std::string id;
  bool verbose = false;
};
struct RunPodSandboxRequest {
  PodSandboxConfig config;
};
struct CreateContainerRequest {
  std::string sandbox;
  ContainerConfig config;
  PodSandboxConfig sandbox_config;
};
struct StopContainerRequest {
  std::string id;
  Duration timeout{};  // whole seconds on the wire, rounded up
};
struct UpdateContainerResourcesRequest {
  std::string id;
  CriResources resources;
};
struct ExecSyncRequest {
  std::string id;
  std::vector<std::string> command;
  Duration timeout{};  // likewise
};
struct PullImageRequest {
  std::string image, credentials_json;
};
struct ImageRequest {
  std::string image;
};
// Empty parts match everything.
struct Filter {
  std::string id, sandbox;
  std::optional<uint64_t> state;
  StringMap labels;
};

std::string encode(const Id& message);
std::string encode(const RunPodSandboxRequest& message);
std::string encode(const CreateContainerRequest& message);
std::string encode(const StopContainerRequest& message);
std::string encode(const UpdateContainerResourcesRequest& message);
std::string encode(const ExecSyncRequest& message);
std::string encode(const PullImageRequest& message);
std::string encode(const ImageRequest& message);
Result<void> decode(std::string_view bytes, Id& out);
Result<void> decode(std::string_view bytes, RunPodSandboxRequest& out);
Result<void> decode(std::string_view bytes, CreateContainerRequest& out);
Result<void> decode(std::string_view bytes, StopContainerRequest& out);
Result<void> decode(std::string_view bytes, UpdateContainerResourcesRequest& out);
Result<void> decode(std::string_view bytes, ExecSyncRequest& out);
Result<void> decode(std::string_view bytes, PullImageRequest& out);
Result<void> decode(std::string_view bytes, ImageRequest& out);

Result<Filter> decode_sandbox_filter(std::string_view request);          // ListPodSandboxRequest
Result<Filter> decode_container_filter(std::string_view request);        // ListContainersRequest
Result<Filter> decode_container_stats_filter(std::string_view request);  // ListContainerStatsRequest
Result<Filter> decode_sandbox_stats_filter(std::string_view request);    // ListPodSandboxStatsRequest
Result<std::string> decode_image_filter(std::string_view request);       // ListImagesRequest: a name, or empty

// Answers. The lists hold what the CRI's PodSandbox and Container have: no addresses, no exit codes, no log paths.
std::string encode_sandbox_status(const PodSandboxStatus& status);
std::string encode_sandbox_list(const std::vector<PodSandboxStatus>& list);
std::string encode_container_status(const ContainerStatus& status);
std::string encode_container_list(const std::vector<ContainerStatus>& list);
Result<PodSandboxStatus> decode_sandbox_status(std::string_view answer);
Result<std::vector<PodSandboxStatus>> decode_sandbox_list(std::string_view answer);
Result<ContainerStatus> decode_container_status(std::string_view answer);
Result<std::vector<ContainerStatus>> decode_container_list(std::string_view answer);

std::string encode_image_status(const std::optional<CriImage>& image);
std::string encode_image_list(const std::vector<CriImage>& list);
Result<std::optional<CriImage>> decode_image_status(std::string_view answer);
Result<std::vector<CriImage>> decode_image_list(std::string_view answer);

std::string encode_exec_result(const ExecResult& result);  // cut to what every client takes
Result<ExecResult> decode_exec_result(std::string_view answer);

struct ContainerStatsItem {
  ContainerStatus of;
  CriStats stats;
};
struct SandboxStatsItem {
  PodSandboxStatus of;
  std::vector<ContainerStatsItem> containers;
};
std::string encode_container_stats(const ContainerStatsItem& item);
std::string encode_container_stats_list(const std::vector<ContainerStatsItem>& list);
std::string encode_sandbox_stats(const SandboxStatsItem& item);
std::string encode_sandbox_stats_list(const std::vector<SandboxStatsItem>& list);
Result<CriStats> decode_container_stats(std::string_view answer);

enum class EventType : uint8_t { kCreated, kStarted, kStopped, kDeleted };
struct Event {
  std::string container_id;  // of a sandbox: its id
  EventType type = EventType::kCreated;
  WallTime time{};
  PodSandboxStatus sandbox;  // its id at the least
  std::vector<ContainerStatus> containers;
};
std::string encode_event(const Event& event);
Result<CriEvent> decode_event(std::string_view message);

struct Facts {
  std::string version;       // of the engine
  bool network_ready = true;
  std::string image_folder;
  uint64_t image_bytes = 0;
  WallTime time{};
};
std::string encode_version(const Facts& facts);
std::string encode_status(const Facts& facts);
std::string encode_runtime_config();
std::string encode_image_fs_info(const Facts& facts);

}  // namespace kobuk::engine::wire
