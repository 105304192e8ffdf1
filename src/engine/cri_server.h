// The CRI as a gRPC server: runtime.v1.RuntimeService and ImageService for kubelets and crictl, and kobuk.v1.Streams
// (cri_stream_wire.h) for our own node. A thin door over CriService. Internal to the room; engine.h hands it out.
//
// Ids may be given as far as they are unambiguous. What changes something, but for pulls and commands, goes on to its end when
// the caller goes away.
// Not answered: checkpoints, metrics, resizing sandboxes, Exec, Attach and PortForward by URL (kUnsupported).
#pragma once

#include <string>

#include "engine/core.h"
#include "engine/cri_service.h"
#include "engine/cri_wire.h"
#include "io/grpc.h"

namespace kobuk::engine {

// Metadata of a GetContainerEvents call: an empty message tells that from now on no event is missed.
inline constexpr const char* kBeginHeader = "kobuk-tell-begin";

class CriServer final : public io::http::Handler {
 public:
  explicit CriServer(Core& core);
  io::Task<io::http::Response> handle(io::http::Request request) override { return service_.handle(std::move(request)); }

 private:
  using Answer = io::Task<Result<std::string>>;
  using Method = Answer (CriServer::*)(std::string);
  void add(std::string_view service, std::string_view method, Method answer);           // ends when the caller goes
  void add_to_end(std::string_view service, std::string_view method, Method answer);    // goes on then
  // What takes an id and answers nothing.
  using ById = io::Task<Result<void>> (CriService::*)(std::string);
  void add_to_end(std::string_view service, std::string_view method, ById change);
  Answer by_id(ById change, std::string bytes);
  Answer to_end(Answer work);
  void add_runtime_methods();
  void add_image_methods();

  Answer run_pod_sandbox(std::string bytes);
  Answer pod_sandbox_status(std::string bytes);
  Answer list_pod_sandboxes(std::string bytes);
  Answer create_container(std::string bytes);
  Answer stop_container(std::string bytes);
  Answer container_status(std::string bytes);
  Answer list_containers(std::string bytes);
  Answer update_container_resources(std::string bytes);
  Answer exec_sync(std::string bytes);
  Answer no_url(std::string bytes);
  Answer version(std::string bytes);
  Answer status(std::string bytes);
  Answer runtime_config(std::string bytes);
  Answer update_runtime_config(std::string bytes);
  Answer container_stats(std::string bytes);
  Answer list_container_stats(std::string bytes);
  Answer pod_sandbox_stats(std::string bytes);
  Answer list_pod_sandbox_stats(std::string bytes);
  Answer pull_image(std::string bytes);
  Answer image_status(std::string bytes);
  Answer list_images(std::string bytes);
  Answer remove_image(std::string bytes);
  Answer image_fs_info(std::string bytes);
  io::Task<Result<void>> container_events(std::shared_ptr<io::grpc::ServerStream> call);
  io::Task<wire::Event> describe(EngineEvent event, wire::EventType type);

  std::string full_id(const std::string& id) const;  // as it is when it names nothing here
  Result<std::string> read_id(std::string_view bytes) const;
  io::Task<Result<std::vector<ContainerStatus>>> matching_containers(wire::Filter filter);
  io::Task<Result<std::vector<PodSandboxStatus>>> matching_sandboxes(wire::Filter filter);
  io::Task<std::vector<wire::ContainerStatsItem>> stats_of(std::vector<ContainerStatus> containers);
  io::Task<wire::SandboxStatsItem> stats_of(PodSandboxStatus sandbox);
  wire::Facts facts() const;

  Core& core_;
  CriService cri_;
  io::grpc::Service service_;
  io::TaskGroup operations_;  // last: its tasks use the members above
};

}  // namespace kobuk::engine
