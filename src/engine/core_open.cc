// Opening: what an earlier daemon knew is read, what lives is adopted, what was half done is finished or undone, and
// then restart policies act.
#include "base/log.h"
#include "base/random.h"
#include "engine/core.h"
#include "engine/names.h"
#include "sys/file.h"

namespace kobuk::engine {

Core::Core(io::Loop& loop, EngineOptions options)
    : loop_(loop), options_(std::move(options)), records_(loop, options_.directory), events_(loop), networks_made_(loop), tasks_(loop) {}

Core::~Core() {
  for (auto& [id, entry] : entries_)
    if (entry->restart_timer != 0) loop_.cancel_timer(entry->restart_timer);
}

io::Task<Result<std::unique_ptr<Core>>> Core::open(io::Loop& loop, EngineOptions options) {
  std::unique_ptr<Core> core(new Core(loop, std::move(options)));
  KOBUK_CO_CHECK(core->open_rooms());
  KOBUK_CO_CHECK(co_await core->load());
  co_return core;
}

Result<void> Core::load_engine_id() {
  std::string path = cat(options_.directory, "/engine-id");
  auto text = sys::read_file(path, 100);
  if (text && text->size() == 36) {
    id_ = std::move(*text);
    return {};
  }
  id_ = random_uuid();
  return sys::write_file_atomic(path, id_);
}

Result<void> Core::open_rooms() {
  KOBUK_CHECK(sys::make_directories(options_.directory, 0711));
  KOBUK_CHECK(sys::make_directories(options_.run_directory, 0711));
  KOBUK_CHECK(sys::make_directories(uploads_directory(), 0700));
  KOBUK_TRY(auto unfinished, sys::list_directory(uploads_directory()));
  for (const std::string& name : unfinished) KOBUK_CHECK(sys::remove_tree(cat(uploads_directory(), '/', name)));
  KOBUK_CHECK(records_.open());
  KOBUK_CHECK(load_engine_id());
  runtime::Runtime::Options runtime{.directory = cat(options_.run_directory, "/containers"),
                                    .cgroup_root = options_.cgroup_root,
                                    .seccomp_cache = cat(options_.directory, "/seccomp")};
  KOBUK_CHECK(sys::make_directories(runtime.directory, 0711));
  KOBUK_CHECK(sys::make_directories(runtime.seccomp_cache, 0700));
  KOBUK_TRY(runtime_, runtime::Runtime::open(loop_, runtime));
  image::Images::Options images{.directory = cat(options_.directory, "/images"),
                                .mirrors = options_.mirrors,
                                .insecure_registries = options_.insecure_registries};
  KOBUK_TRY(images_, image::Images::open(loop_, images));
  images_->set_in_use([this](const std::string& id) {
    for (const auto& [container, entry] : entries_)
      if (entry->record.image_id == id) return true;
    return false;
  });
  KOBUK_TRY(networks_, network::Networks::open(loop_, {.profile = options_.profile, .state_directory = cat(options_.directory, "/network"), .run_directory = cat(options_.run_directory, "/network")}));
  return open_networks();
}

io::Task<Result<void>> Core::load() {
  for (const char* name : {"bridge", "host", "none"}) {
    if (find_network(name)) continue;
    std::string driver = std::string_view(name) == "none" ? "null" : name;
    if (driver == "bridge" && options_.docker_subnet.empty()) continue;
    NetworkRecord record{.id = {}, .name = name, .driver = std::move(driver)};
    KOBUK_CO_TRY(NetworkRecord made, co_await create_network(std::move(record)));
  }
  KOBUK_CO_TRY(auto volumes, records_.load_volumes());
  for (VolumeRecord& volume : volumes) volumes_[volume.name] = std::move(volume);
  KOBUK_CO_TRY(auto stored, records_.load_containers());
  std::vector<EntryPtr> found;
  for (Records::Stored& item : stored) {
    auto entry = std::make_shared<Entry>(loop_, std::move(item.record));
    entry->status = std::move(item.status);
    entries_[entry->record.id] = entry;
    if (entry->record.origin == Origin::kDocker) names_[entry->record.name] = entry->record.id;
    found.push_back(std::move(entry));
  }
  for (const EntryPtr& entry : found) KOBUK_CO_CHECK(co_await adopt(entry));
  // Folders of the runtime that no record names: a crash cut their removal, or their creation, off.
  KOBUK_CO_TRY(auto folders, runtime_->list());
  for (const std::string& id : folders) {
    if (entries_.contains(id)) continue;
    auto stray = co_await runtime_->adopt(id);
    if (!stray) {
      log::warn("a stray container is left alone", {{"id", id}, {"reason", stray.error().message()}});
      continue;
    }
    auto removed = co_await (*stray)->remove();
    if (!removed) log::warn("a stray container could not be removed", {{"id", id}, {"reason", removed.error().message()}});
  }
  for (const network::Attachment& attachment : networks_->attachments()) {
    auto owner = entries_.find(attachment.container);
    if (owner != entries_.end() && (owner->second->running() || !owner->second->unadopted.empty())) continue;
    auto freed = co_await networks_->detach(attachment.network, attachment.container);
    if (!freed) log::warn("a stray address could not be given back", {{"container", attachment.container}, {"reason", freed.error().message()}});
  }
  if (!options_.maintenance) tasks_.spawn(start_by_policy(std::move(found)));
  co_return Result<void>();
}

// Brings what the record says and what there is together. Nothing is started here.
io::Task<Result<void>> Core::adopt(EntryPtr entry) {
  StatusRecord& status = entry->status;
  auto live = co_await runtime_->adopt(entry->record.id);
  if (live) {
    entry->live = std::move(*live);
  } else if (live.error().code() != Code::kNotFound) {
    // It may live: nothing of it is taken away, and nothing started in its place.
    entry->unadopted = live.error().message();
    log::error("a container could not be adopted and is left alone", {{"id", entry->record.id}, {"reason", entry->unadopted}});
    co_return Result<void>();
  }
  if (status.status == Status::kRemoving) {
    auto removed = co_await remove(entry, {.force = true, .volumes = entry->record.auto_remove});
    if (!removed) log::error("a removal could not be finished", {{"id", entry->record.id}, {"reason", removed.error().message()}});
    co_return Result<void>();
  }
  runtime::Phase phase = entry->live ? entry->live->state().phase : runtime::Phase::kStopped;
  if (entry->live && (phase == runtime::Phase::kRunning || phase == runtime::Phase::kPaused)) {
    if (status.starting) status.started = entry->live->state().started, status.finished = {}, status.starting = false;
    status.endpoints.clear();
    if (entry->run == 0) entry->run = 1;
    // Addresses are the network room's to know.
    for (const network::Attachment& attachment : networks_->attachments()) {
      if (attachment.container != entry->record.id) continue;
      for (EndpointRecord endpoint : entry->record.endpoints) {
        if (endpoint.network != attachment.network) continue;
        endpoint.id = new_id();
        endpoint.address = attachment.address, endpoint.prefix = attachment.prefix;
        endpoint.gateway = attachment.gateway, endpoint.mac = attachment.mac;
        status.endpoints.push_back(std::move(endpoint));
        if (!attachment.ports.empty()) status.ports = attachment.ports;
      }
    }
    set_status(*entry, phase == runtime::Phase::kPaused ? Status::kPaused : Status::kRunning);
    tasks_.spawn(watch(entry));
    if (!entry->record.health.test.empty()) tasks_.spawn(check_health(entry, entry->run));
    co_return Result<void>();
  }
  bool was_running = entry->running();
  if (entry->live && phase == runtime::Phase::kStopped && !status.starting && was_running) {
    const runtime::ContainerState& state = entry->live->state();
    status.exit_code = state.exit_code, status.oom_killed = state.oom_killed, status.error = state.error;
    status.finished = state.finished == WallTime{} ? loop_.now() : state.finished;
  } else if (was_running || status.starting) {
    status.exit_code = status.starting ? 128 : 255;
    status.finished = loop_.now();
    if (status.starting) status.error = "the daemon ended while the container was being started";
  }
  bool changed = entry->live || was_running || status.starting || status.status == Status::kRestarting;
  co_await take_down(entry);
  if (changed) {
    ++entry->exits;
    // A first start that was cut off leaves it as created.
    bool never = status.starting && status.started == WallTime{};
    status.starting = false;
    set_status(*entry, never ? Status::kCreated : Status::kExited);
  }
  co_return Result<void>();
}

io::Task<void> Core::start_by_policy(std::vector<EntryPtr> entries) {
  for (const EntryPtr& entry : entries) {
    if (entry->removed || entry->running() || !entry->unadopted.empty() || entry->record.origin != Origin::kDocker) continue;
    if (entry->record.auto_remove && entry->status.status == Status::kExited) {
      co_await auto_remove(entry);
      continue;
    }
    if (entry->status.status == Status::kCreated || !policy_wants(*entry, true)) continue;
    auto pass = co_await entry->turnstile.enter();
    if (entry->running() || entry->removed) continue;
    auto started = co_await start_locked(entry);
    if (!started) log::warn("a container could not be started again", {{"id", entry->record.id}, {"reason", started.error().message()}});
  }
}

}  // namespace kobuk::engine
