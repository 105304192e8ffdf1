// cri-api runtime.v1, api.proto: RuntimeService without its stats and events (cri_server_stats.cc).
#include "engine/cri_server.h"

#include <algorithm>

#include "codec/protobuf.h"
#include "engine/cri_stream_server.h"

namespace kobuk::engine {
namespace {

constexpr std::string_view kRuntime = "runtime.v1.RuntimeService", kImage = "runtime.v1.ImageService";

struct Outcome {
  explicit Outcome(io::Loop& loop) : ended(loop) {}
  std::optional<Result<std::string>> result;
  io::Event ended;
};

io::Task<void> run(io::Task<Result<std::string>> work, std::shared_ptr<Outcome> outcome) {
  auto result = co_await std::move(work);
  outcome->result.emplace(std::move(result));
  outcome->ended.set();
}

// An answer without content.
Result<std::string> empty(Result<void> done) {
  if (!done) return fail(std::move(done).error());
  return std::string();
}

}  // namespace

CriServer::CriServer(Core& core) : core_(core), cri_(core), service_(core.loop()), operations_(core.loop()) {
  add_runtime_methods();
  add_image_methods();
  service_.add_stream(cat("/", kRuntime, "/GetContainerEvents"), [this](std::shared_ptr<io::grpc::ServerStream> call) { return container_events(std::move(call)); });
  add_stream_methods(service_, core.loop(), cri_);
}

void CriServer::add(std::string_view service, std::string_view method, Method answer) {
  service_.add(cat("/", service, "/", method), [this, answer](io::grpc::Message message) { return (this->*answer)(std::move(message.bytes)); });
}

void CriServer::add_to_end(std::string_view service, std::string_view method, Method answer) {
  service_.add(cat("/", service, "/", method), [this, answer](io::grpc::Message message) { return to_end((this->*answer)(std::move(message.bytes))); });
}

void CriServer::add_to_end(std::string_view service, std::string_view method, ById change) {
  service_.add(cat("/", service, "/", method), [this, change](io::grpc::Message message) { return to_end(by_id(change, std::move(message.bytes))); });
}

CriServer::Answer CriServer::by_id(ById change, std::string bytes) {
  KOBUK_CO_TRY(std::string id, read_id(bytes));
  auto done = co_await (cri_.*change)(std::move(id));
  co_return empty(std::move(done));
}

CriServer::Answer CriServer::to_end(Answer work) {
  auto outcome = std::make_shared<Outcome>(core_.loop());
  operations_.spawn(run(std::move(work), outcome));
  co_await outcome->ended.wait();
  co_return std::move(*outcome->result);
}

void CriServer::add_runtime_methods() {
  add(kRuntime, "Version", &CriServer::version);
  add(kRuntime, "Status", &CriServer::status);
  add(kRuntime, "RuntimeConfig", &CriServer::runtime_config);
  add(kRuntime, "UpdateRuntimeConfig", &CriServer::update_runtime_config);
  add_to_end(kRuntime, "RunPodSandbox", &CriServer::run_pod_sandbox);
  add_to_end(kRuntime, "StopPodSandbox", &CriService::stop_pod_sandbox);
  add_to_end(kRuntime, "RemovePodSandbox", &CriService::remove_pod_sandbox);
  add(kRuntime, "PodSandboxStatus", &CriServer::pod_sandbox_status);
  add(kRuntime, "ListPodSandbox", &CriServer::list_pod_sandboxes);
  add_to_end(kRuntime, "CreateContainer", &CriServer::create_container);
  add_to_end(kRuntime, "StartContainer", &CriService::start_container);
  add_to_end(kRuntime, "StopContainer", &CriServer::stop_container);
  add_to_end(kRuntime, "RemoveContainer", &CriService::remove_container);
  add(kRuntime, "ContainerStatus", &CriServer::container_status);
  add(kRuntime, "ListContainers", &CriServer::list_containers);
  add_to_end(kRuntime, "UpdateContainerResources", &CriServer::update_container_resources);
  add_to_end(kRuntime, "ReopenContainerLog", &CriService::reopen_container_log);
  add(kRuntime, "ExecSync", &CriServer::exec_sync);
  for (std::string_view method : {"Exec", "Attach", "PortForward"}) add(kRuntime, method, &CriServer::no_url);
  add(kRuntime, "ContainerStats", &CriServer::container_stats);
  add(kRuntime, "ListContainerStats", &CriServer::list_container_stats);
  add(kRuntime, "PodSandboxStats", &CriServer::pod_sandbox_stats);
  add(kRuntime, "ListPodSandboxStats", &CriServer::list_pod_sandbox_stats);
}

void CriServer::add_image_methods() {
  add(kImage, "ListImages", &CriServer::list_images);
  add(kImage, "ImageStatus", &CriServer::image_status);
  add(kImage, "PullImage", &CriServer::pull_image);
  add_to_end(kImage, "RemoveImage", &CriServer::remove_image);
  add(kImage, "ImageFsInfo", &CriServer::image_fs_info);
}

std::string CriServer::full_id(const std::string& id) const {
  auto found = core_.find(id);
  bool ours = found && (*found)->record.origin != Origin::kDocker;
  return ours ? (*found)->record.id : id;
}

Result<std::string> CriServer::read_id(std::string_view bytes) const {
  wire::Id request;
  KOBUK_CHECK(wire::decode(bytes, request));
  return full_id(request.id);
}

CriServer::Answer CriServer::run_pod_sandbox(std::string bytes) {
  wire::RunPodSandboxRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  KOBUK_CO_TRY(std::string id, co_await cri_.run_pod_sandbox(std::move(request.config)));
  co_return wire::encode(wire::Id{std::move(id)});
}

CriServer::Answer CriServer::pod_sandbox_status(std::string bytes) {
  KOBUK_CO_TRY(std::string id, read_id(bytes));
  KOBUK_CO_TRY(PodSandboxStatus status, co_await cri_.pod_sandbox_status(std::move(id)));
  co_return wire::encode_sandbox_status(status);
}

CriServer::Answer CriServer::list_pod_sandboxes(std::string bytes) {
  KOBUK_CO_TRY(wire::Filter filter, wire::decode_sandbox_filter(bytes));
  KOBUK_CO_TRY(auto list, co_await matching_sandboxes(std::move(filter)));
  co_return wire::encode_sandbox_list(list);
}

CriServer::Answer CriServer::create_container(std::string bytes) {
  wire::CreateContainerRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  std::string sandbox = full_id(request.sandbox);
  KOBUK_CO_TRY(std::string id, co_await cri_.create_container(std::move(sandbox), std::move(request.config), std::move(request.sandbox_config)));
  co_return wire::encode(wire::Id{std::move(id)});
}

CriServer::Answer CriServer::stop_container(std::string bytes) {
  wire::StopContainerRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  auto done = co_await cri_.stop_container(full_id(request.id), request.timeout);
  co_return empty(std::move(done));
}

CriServer::Answer CriServer::container_status(std::string bytes) {
  KOBUK_CO_TRY(std::string id, read_id(bytes));
  KOBUK_CO_TRY(ContainerStatus status, co_await cri_.container_status(std::move(id)));
  co_return wire::encode_container_status(status);
}

CriServer::Answer CriServer::list_containers(std::string bytes) {
  KOBUK_CO_TRY(wire::Filter filter, wire::decode_container_filter(bytes));
  KOBUK_CO_TRY(auto list, co_await matching_containers(std::move(filter)));
  co_return wire::encode_container_list(list);
}

CriServer::Answer CriServer::update_container_resources(std::string bytes) {
  wire::UpdateContainerResourcesRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  auto done = co_await cri_.update_container_resources(full_id(request.id), std::move(request.resources));
  co_return empty(std::move(done));
}

CriServer::Answer CriServer::exec_sync(std::string bytes) {
  wire::ExecSyncRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  KOBUK_CO_TRY(ExecResult result, co_await cri_.exec_sync(full_id(request.id), std::move(request.command), request.timeout));
  co_return wire::encode_exec_result(result);
}

CriServer::Answer CriServer::no_url(std::string) {
  co_return fail(Code::kUnsupported, "this engine has no streaming server to give the URL of: use ExecSync, or kobuk.v1.Streams on this socket");
}

wire::Facts CriServer::facts() const {
  wire::Facts out{.version = core_.options().version, .network_ready = !core_.options().pod_subnet.empty(), .time = core_.loop().now()};
  out.image_folder = core_.options().directory;
  for (const image::ImageInfo& image : core_.images().list()) out.image_bytes += static_cast<uint64_t>(image.size);
  return out;
}

CriServer::Answer CriServer::version(std::string) { co_return wire::encode_version(facts()); }
CriServer::Answer CriServer::status(std::string) { co_return wire::encode_status(facts()); }
CriServer::Answer CriServer::runtime_config(std::string) { co_return wire::encode_runtime_config(); }

// The pods' subnet is the engine's from the start: what a kubelet says of it must agree.
CriServer::Answer CriServer::update_runtime_config(std::string bytes) {
  for (uint32_t depth = 0; depth < 2; ++depth) {  // RuntimeConfig, NetworkConfig
    wire::Id inner;
    KOBUK_CO_CHECK(wire::decode(bytes, inner));
    bytes = std::move(inner.id);
  }
  wire::Id network;
  KOBUK_CO_CHECK(wire::decode(bytes, network));
  if (!network.id.empty() && network.id != core_.options().pod_subnet) {
    co_return fail(Code::kFailedPrecondition, "pods have the subnet ", core_.options().pod_subnet, " here, not ", network.id);
  }
  co_return std::string();
}

CriServer::Answer CriServer::pull_image(std::string bytes) {
  wire::PullImageRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  KOBUK_CO_TRY(std::string id, co_await cri_.pull_image(std::move(request.image), std::move(request.credentials_json)));
  co_return wire::encode(wire::Id{std::move(id)});
}

CriServer::Answer CriServer::image_status(std::string bytes) {
  wire::ImageRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  KOBUK_CO_TRY(auto image, co_await cri_.image_status(std::move(request.image)));
  co_return wire::encode_image_status(image);
}

CriServer::Answer CriServer::list_images(std::string bytes) {
  KOBUK_CO_TRY(std::string wanted, wire::decode_image_filter(bytes));
  std::vector<CriImage> list;
  if (wanted.empty()) {
    KOBUK_CO_TRY(list, co_await cri_.list_images());
  } else {
    KOBUK_CO_TRY(auto image, co_await cri_.image_status(std::move(wanted)));
    if (image) list.push_back(std::move(*image));
  }
  co_return wire::encode_image_list(list);
}

CriServer::Answer CriServer::remove_image(std::string bytes) {
  wire::ImageRequest request;
  KOBUK_CO_CHECK(wire::decode(bytes, request));
  auto done = co_await cri_.remove_image(std::move(request.image));
  co_return empty(std::move(done));
}

CriServer::Answer CriServer::image_fs_info(std::string) { co_return wire::encode_image_fs_info(facts()); }

}  // namespace kobuk::engine
