#include "node/pod_worker.h"

#include <algorithm>

#include "api/decode.h"
#include "base/log.h"
#include "node/logs.h"
#include "sys/file.h"

namespace kobuk::node {

PodWorker::PodWorker(KubeletContext& context, PodPtr pod, std::function<void()> on_finished)
    : context_(context),
      pod_(std::move(pod)),
      uid_(pod_->metadata.uid),
      on_finished_(std::move(on_finished)),
      wake_(context.loop),
      probes_(context.loop, context.cri, [this] { wake(); },
              [this](const std::string& name, std::string_view type, std::string_view reason, std::string message) {
                event(name, type, reason, std::move(message));
              }),
      tasks_(context.loop) {
  tasks_.spawn(run());
}

PodWorker::~PodWorker() {
  if (timer_ != 0) context_.loop.cancel_timer(timer_);
}

void PodWorker::wake() { wake_.set(); }

void PodWorker::wake_in(Duration delay) {
  MonoTime at = context_.loop.mono() + delay;
  if (timer_ != 0 && timer_at_ <= at) return;
  if (timer_ != 0) context_.loop.cancel_timer(timer_);
  timer_at_ = at;
  timer_ = context_.loop.start_timer(delay, [this] {
    timer_ = 0;
    wake();
  });
}

// Watches and answers of patches race: the newer one counts.
void PodWorker::take(PodPtr pod) {
  auto before = parse_int(pod_->metadata.resource_version), after = parse_int(pod->metadata.resource_version);
  if (before && after && *after < *before) return;
  pod_ = std::move(pod);
}

void PodWorker::update(PodPtr pod) {
  take(std::move(pod));
  wake();
}

void PodWorker::gone() {
  gone_ = true;
  wake();
}

io::Task<void> PodWorker::run() {
  while (true) {
    wake_.reset();
    bool finished = co_await sync();
    if (finished) break;
    co_await wake_.wait();
  }
  on_finished_();
}

io::Task<bool> PodWorker::sync() {
  check_deadline();
  check_supported();
  if (ending()) co_return co_await sync_ending();
  co_await sync_running();
  update_status();
  co_return false;
}

void PodWorker::event(std::string_view container, std::string_view type, std::string_view reason, std::string message) {
  core::ObjectReference about = api::reference_to(*pod_);
  about.field_path = container_field_path(pod_->spec, container);
  context_.events.record(std::move(about), type, reason, std::move(message));
}

std::string PodWorker::pod_ip() const {
  if (pod_->spec.host_network) return context_.identity.host_ip;
  const engine::PodSandboxStatus* sandbox = runtime().sandbox();
  return sandbox && !sandbox->ips.empty() ? sandbox->ips[0] : std::string();
}

NodeIdentity PodWorker::identity() const {
  NodeIdentity out = context_.identity;
  out.pod_ip = pod_ip();
  return out;
}

// Of containers that have ended: what they left in their file, or the end of their log.
void PodWorker::read_messages() {
  for (const engine::ContainerStatus& status : runtime().containers) {
    if (status.phase != engine::ContainerPhase::kExited || messages_.contains(status.id)) continue;
    std::string name(container_name_of(status));
    std::string file = termination_message_file(context_.config, *pod_, name, status.attempt);
    auto text = sys::read_file(file, 1 << 20);
    std::string message = text ? text->substr(0, 4096) : std::string();
    const core::Container* container = find_container(pod_->spec, name);
    bool from_log = container && container->termination_message_policy == "FallbackToLogsOnError" && status.exit_code != 0;
    if (message.empty() && from_log) message = last_log_lines(status.log_path, 80, 2048);
    messages_[status.id] = std::move(message);
  }
}

void PodWorker::update_status() {
  if (gone_) return;
  read_messages();
  StatusInput input{.pod = *pod_, .runtime = runtime()};
  input.waiting = waiting_;
  input.messages = messages_;
  input.started = probes_.started();
  for (const core::Container& container : pod_->spec.init_containers) {  // init containers are not probed
    const engine::ContainerStatus* status = runtime().latest(container.name);
    if (status && !is_sidecar(container)) input.started.insert(status->id);
  }
  for (const std::string& id : hooks_) input.started.erase(id);
  input.not_ready = probes_.not_ready();
  input.again = again_;
  input.host_ip = context_.identity.host_ip;
  input.now = context_.loop.now();
  input.ended = torn_down_ && ending();
  if (!forced_reason_.empty()) input.forced_phase = "Failed", input.reason = forced_reason_, input.message = forced_message_;
  wanted_ = make_status(input);
  wanted_text_ = api::to_json(*wanted_);
  if (!status_sent() && !sending_) {
    sending_ = true;
    tasks_.spawn(send_status());
  }
}

bool PodWorker::status_sent() const { return !wanted_ || wanted_text_ == sent_text_; }

io::Task<void> PodWorker::send_status() {
  while (!status_sent() && !gone_) {
    std::string text = wanted_text_, patch = status_patch(*pod_, *wanted_);
    if (patch.empty()) {
      sent_text_ = text;
      break;
    }
    api::GroupVersionResource pods = api::resource_of<core::Pod>();
    auto answer = co_await context_.client.patch(pods, pod_->metadata.namespace_, pod_->metadata.name,
                                                 api::PatchType::kStrategic, patch, "status");
    if (answer) {
      sent_text_ = text;
      send_delay_ = {};
      auto pod = std::make_shared<core::Pod>();
      auto decoded = api::decode_struct_json(*answer, core::Pod::kTable, pod.get());
      if (decoded && pod->metadata.uid == uid_) take(std::move(pod));
      continue;
    }
    Code code = answer.error().code();
    if (code == Code::kNotFound || code == Code::kConflict) {  // it, or this one of that name, is gone: the watch will say so
      sent_text_ = text;
      break;
    }
    if (send_delay_ == Duration{}) {
      log::warn("a pod's status can't be written yet", {{"pod", pod_key(*pod_)}, {"error", answer.error().message()}});
    }
    send_delay_ = std::clamp<Duration>(send_delay_ * 2, std::chrono::milliseconds(200), std::chrono::seconds(15));
    co_await context_.loop.sleep(send_delay_);
  }
  sending_ = false;
  wake();  // an ending pod waits for it
}

}  // namespace kobuk::node
