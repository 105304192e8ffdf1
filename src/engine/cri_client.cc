// cri-api runtime.v1, api.proto: RuntimeService and ImageService, from the kubelet's side.
#include "engine/cri_client.h"

#include "engine/cri_server.h"
#include "engine/cri_stream_client.h"
#include "engine/cri_wire.h"
#include "io/grpc.h"

namespace kobuk::engine {
namespace {

// Whatever hinders a request on its way (no socket, nobody listens) means that the engine is away.
class EngineTransport final : public io::http::Transport {
 public:
  EngineTransport(io::Loop& loop, const std::string& address) : to_(io::http::make_client(loop, {.address = address, .h2c = true})) {}
  io::Task<Result<io::http::Response>> send(io::http::Request request) override {
    auto response = co_await to_->send(std::move(request));
    if (!response) co_return fail(std::move(response).error().with_code(Code::kUnavailable).context("the engine does not answer"));
    co_return response;
  }

 private:
  std::unique_ptr<io::http::Transport> to_;
};

class CriClient final : public Cri {
 public:
  CriClient(io::Loop& loop, const std::string& address)
      : loop_(loop), transport_(loop, address), stream_transport_(loop, address), channel_(loop, transport_), streams_(loop, stream_transport_), subscribed_(loop) {}

  io::Task<Result<std::string>> run_pod_sandbox(PodSandboxConfig config) override {
    wire::RunPodSandboxRequest request{std::move(config)};
    return ask_id(runtime("RunPodSandbox"), wire::encode(request));
  }
  io::Task<Result<void>> stop_pod_sandbox(std::string id) override { return tell(runtime("StopPodSandbox"), wire::encode(wire::Id{std::move(id)})); }
  io::Task<Result<void>> remove_pod_sandbox(std::string id) override { return tell(runtime("RemovePodSandbox"), wire::encode(wire::Id{std::move(id)})); }
  io::Task<Result<PodSandboxStatus>> pod_sandbox_status(std::string id) override {
    return ask(runtime("PodSandboxStatus"), wire::encode(wire::Id{std::move(id)}), wire::decode_sandbox_status);
  }
  io::Task<Result<std::vector<PodSandboxStatus>>> list_pod_sandboxes() override;

  io::Task<Result<std::string>> create_container(std::string sandbox, ContainerConfig config, PodSandboxConfig sandbox_config) override {
    wire::CreateContainerRequest request{std::move(sandbox), std::move(config), std::move(sandbox_config)};
    return ask_id(runtime("CreateContainer"), wire::encode(request));
  }
  io::Task<Result<void>> start_container(std::string id) override { return tell(runtime("StartContainer"), wire::encode(wire::Id{std::move(id)})); }
  io::Task<Result<void>> stop_container(std::string id, Duration timeout) override {
    wire::StopContainerRequest request{std::move(id), timeout};
    return tell(runtime("StopContainer"), wire::encode(request));
  }
  io::Task<Result<void>> remove_container(std::string id) override { return tell(runtime("RemoveContainer"), wire::encode(wire::Id{std::move(id)})); }
  io::Task<Result<ContainerStatus>> container_status(std::string id) override {
    return ask(runtime("ContainerStatus"), wire::encode(wire::Id{std::move(id)}), wire::decode_container_status);
  }
  io::Task<Result<std::vector<ContainerStatus>>> list_containers() override;
  io::Task<Result<void>> update_container_resources(std::string id, CriResources resources) override {
    wire::UpdateContainerResourcesRequest request{std::move(id), std::move(resources)};
    return tell(runtime("UpdateContainerResources"), wire::encode(request));
  }
  io::Task<Result<void>> reopen_container_log(std::string id) override { return tell(runtime("ReopenContainerLog"), wire::encode(wire::Id{std::move(id)})); }
  io::Task<Result<CriStats>> container_stats(std::string id) override {
    return ask(runtime("ContainerStats"), wire::encode(wire::Id{std::move(id)}), wire::decode_container_stats);
  }

  io::Task<Result<ExecResult>> exec_sync(std::string id, std::vector<std::string> command, Duration timeout) override {
    wire::ExecSyncRequest request{std::move(id), std::move(command), timeout};
    return ask(runtime("ExecSync"), wire::encode(request), wire::decode_exec_result);
  }
  io::Task<Result<std::unique_ptr<CriProcess>>> exec(std::string id, std::vector<std::string> command, bool tty, bool in, bool out, bool err) override {
    wire::StreamOpen open{.id = std::move(id), .command = std::move(command), .tty = tty, .in = in, .out = out, .err = err};
    return open_remote_process(loop_, streams_, "Exec", std::move(open));
  }
  io::Task<Result<std::unique_ptr<CriProcess>>> attach(std::string id, bool tty, bool in, bool out, bool err) override {
    wire::StreamOpen open{.id = std::move(id), .tty = tty, .in = in, .out = out, .err = err};
    return open_remote_process(loop_, streams_, "Attach", std::move(open));
  }
  io::Task<Result<std::unique_ptr<io::Stream>>> port_forward(std::string sandbox, uint16_t port) override {
    return open_remote_connection(loop_, streams_, std::move(sandbox), port);
  }

  io::Task<Result<std::string>> pull_image(std::string image, std::string credentials_json) override {
    wire::PullImageRequest request{std::move(image), std::move(credentials_json)};
    return ask_id(images("PullImage"), wire::encode(request));
  }
  io::Task<Result<std::optional<CriImage>>> image_status(std::string image) override {
    return ask(images("ImageStatus"), wire::encode(wire::ImageRequest{std::move(image)}), wire::decode_image_status);
  }
  io::Task<Result<std::vector<CriImage>>> list_images() override { return ask(images("ListImages"), std::string(), wire::decode_image_list); }
  io::Task<Result<void>> remove_image(std::string image) override {
    return tell(images("RemoveImage"), wire::encode(wire::ImageRequest{std::move(image)}));
  }
  io::Task<Result<CriEvent>> next_event() override;

 private:
  static std::string runtime(std::string_view method) { return cat("/runtime.v1.RuntimeService/", method); }
  static std::string images(std::string_view method) { return cat("/runtime.v1.ImageService/", method); }

  template <class T>
  io::Task<Result<T>> ask(std::string method, std::string request, Result<T> (*decode)(std::string_view)) {
    KOBUK_CO_TRY(std::string answer, co_await channel_.call(std::move(method), std::move(request)));
    co_return decode(answer);
  }
  io::Task<Result<std::string>> ask_id(std::string method, std::string request) {
    KOBUK_CO_TRY(std::string answer, co_await channel_.call(std::move(method), std::move(request)));
    wire::Id out;
    KOBUK_CO_CHECK(wire::decode(answer, out));
    co_return std::move(out.id);
  }
  io::Task<Result<void>> tell(std::string method, std::string request) {
    KOBUK_CO_TRY(std::string answer, co_await channel_.call(std::move(method), std::move(request)));
    co_return Result<void>();
  }
  io::Task<Result<void>> subscribe();

  io::Loop& loop_;
  // Streams have connections of their own: what is slow there holds nothing else up.
  EngineTransport transport_, stream_transport_;
  io::grpc::Channel channel_, streams_;
  std::unique_ptr<io::grpc::ClientStream> events_;
  bool subscribing_ = false;
  io::Event subscribed_;  // set when an attempt has ended
};

// From here on no event is missed, so that a list read afterwards can be kept right by them.
io::Task<Result<void>> CriClient::subscribe() {
  while (subscribing_) {
    subscribed_.reset();
    co_await subscribed_.wait();
  }
  if (events_ != nullptr) co_return Result<void>();
  subscribing_ = true;
  struct Ending {
    CriClient& client;
    ~Ending() {
      client.subscribing_ = false;
      client.subscribed_.set();
    }
  } ending{*this};
  io::grpc::CallOptions options;
  options.metadata.set(kBeginHeader, "1");
  auto events = channel_.open(runtime("GetContainerEvents"), std::move(options));
  auto sent = co_await events->write(std::string());
  (void)sent;  // why it failed is what read() says
  events->close_writes();
  KOBUK_CO_TRY(auto begun, co_await events->read());
  if (!begun) co_return fail(Code::kUnavailable, "the engine tells no events");
  events_ = std::move(events);
  co_return Result<void>();
}

io::Task<Result<CriEvent>> CriClient::next_event() {
  KOBUK_CO_CHECK(co_await subscribe());
  auto message = co_await events_->read();
  if (message && *message) {
    auto event = wire::decode_event(**message);
    if (event) co_return *std::move(event);
  }
  events_ = nullptr;
  if (!message) co_return fail(std::move(message).error().with_code(Code::kUnavailable));
  co_return fail(Code::kUnavailable, "the engine's events have ended");
}

io::Task<Result<std::vector<PodSandboxStatus>>> CriClient::list_pod_sandboxes() {
  KOBUK_CO_CHECK(co_await subscribe());
  auto listed = co_await ask(runtime("ListPodSandbox"), std::string(), wire::decode_sandbox_list);
  if (!listed) co_return fail(std::move(listed).error());
  std::vector<PodSandboxStatus> out;
  for (PodSandboxStatus& item : *listed) {
    auto status = co_await pod_sandbox_status(std::move(item.id));
    if (!status && status.error().code() == Code::kNotFound) continue;  // removed meanwhile
    if (!status) co_return fail(std::move(status).error());
    out.push_back(std::move(*status));
  }
  co_return out;
}

io::Task<Result<std::vector<ContainerStatus>>> CriClient::list_containers() {
  auto listed = co_await ask(runtime("ListContainers"), std::string(), wire::decode_container_list);
  if (!listed) co_return fail(std::move(listed).error());
  std::vector<ContainerStatus> out;
  for (ContainerStatus& item : *listed) {
    auto status = co_await container_status(std::move(item.id));
    if (!status && status.error().code() == Code::kNotFound) continue;
    if (!status) co_return fail(std::move(status).error());
    out.push_back(std::move(*status));
  }
  co_return out;
}

}  // namespace

std::unique_ptr<Cri> make_cri_client(io::Loop& loop, std::string address) { return std::make_unique<CriClient>(loop, address); }

}  // namespace kobuk::engine
