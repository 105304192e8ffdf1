#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/log.h"
#include "runtime/channel.h"
#include "runtime/container.h"
#include "runtime/monitor_image.h"
#include "runtime/plan.h"
#include "runtime/seccomp_cache.h"
#include "sys/file.h"
#include "sys/mounts.h"
#include "sys/process.h"

namespace kobuk::runtime {

// A monitor being started: its first process ends as soon as it has left the daemon.
struct Runtime::Launch {
  sys::UniqueFd socket;
  sys::Spawned first;
  Launch() = default;
  Launch(Launch&& other) noexcept : socket(std::move(other.socket)), first(std::move(other.first)) {
    other.first.pid = 0;
  }
  ~Launch() {
    if (first.pid > 0) (void)sys::wait_for(first);
  }
};

namespace {

Result<void> make_private_directory(const std::string& path) {
  KOBUK_CHECK(sys::make_directories(path, 0755));
  if (chmod(path.c_str(), 0700) != 0) return fail_errno(errno, cat("chmod ", path));
  return {};
}

}  // namespace

Runtime::Runtime(io::Loop& loop, Options options, sys::HostFacts facts)
    : loop_(loop), options_(std::move(options)), facts_(std::move(facts)) {}
Runtime::~Runtime() = default;

Result<std::unique_ptr<Runtime>> Runtime::open(io::Loop& loop, Options options) {
  auto chroot = sys::in_chroot();
  if (chroot && *chroot)
    return fail(Code::kFailedPrecondition, "kobuk runs in a chroot, where what is run in a container later would see the files of the "
                                           "host: start it outside, or with a root of its own (pivot_root, systemd-nspawn)");
  KOBUK_TRY(sys::HostFacts facts, sys::read_host_facts());
  KOBUK_CHECK(make_private_directory(options.directory));
  if (!options.seccomp_cache.empty()) KOBUK_CHECK(make_private_directory(options.seccomp_cache));
  std::unique_ptr<Runtime> runtime(new Runtime(loop, std::move(options), std::move(facts)));
  runtime->seccomp_ = std::make_unique<SeccompCache>(loop, runtime->options_.seccomp_cache);
  KOBUK_TRY(runtime->monitor_, sys::sealed_memory("kobuk-monitor", monitor_image(), true));
  const sys::CgroupHierarchy* v2 = runtime->facts_.cgroups.v2();
  if (v2 != nullptr && !runtime->options_.cgroup_root.empty()) {
    std::string group = cat(v2->mount_point, runtime->options_.cgroup_root, "/monitors");
    KOBUK_CHECK(sys::make_directories(group));
    KOBUK_TRY(runtime->monitors_, sys::open_cgroup(group));
  }
  return runtime;
}

Result<std::vector<std::string>> Runtime::list() const { return sys::list_directory(options_.directory); }

Result<void> Runtime::remove_cgroups() {
  if (options_.cgroup_root.empty()) return {};
  monitors_.reset();
  return sys::Cgroup(facts_.cgroups, options_.cgroup_root).remove();
}

Result<Runtime::Launch> Runtime::launch(const std::string& directory, const Plan& plan) {
  Launch launch;
  KOBUK_TRY(auto pair, sys::packet_socket_pair());
  KOBUK_TRY(sys::UniqueFd bytes, sys::sealed_memory("plan", encode_plan(plan), false));
  sys::SpawnOptions options;
  options.path = "the container's monitor";
  options.executable = monitor_.get();
  options.args = {"kobuk-monitor", directory, plan.id};
  options.fds = {{bytes.get(), 3}, {pair.second.get(), 4}};
  if (monitors_) options.fds.emplace_back(monitors_.get(), 5);
  KOBUK_TRY(launch.first, sys::spawn(options));
  launch.socket = std::move(pair.first);
  return launch;
}

io::Task<Result<std::unique_ptr<Container>>> Runtime::create(ContainerSpec spec) {
  KOBUK_CO_TRY(Plan plan, make_plan(spec, facts_));
  if (spec.seccomp) {
    auto compiling = seccomp_->filter(std::move(*spec.seccomp));
    KOBUK_CO_TRY(plan.process.seccomp_filter, co_await std::move(compiling));
  }
  std::unique_ptr<Container> container(new Container(*this, plan.id));
  const std::string& directory = container->directory_;
  if (mkdir(directory.c_str(), 0700) != 0) {
    if (errno == EEXIST) co_return fail(Code::kAlreadyExists, "a container with the id ", plan.id, " exists");
    co_return fail_errno(errno, cat("mkdir ", directory));
  }
  // Written before anything is made: whoever finds the folder knows which cgroup may be left.
  container->state_.cgroup_path = plan.cgroup.path;
  auto written = sys::replace_file(cat(directory, '/', kStateName), encode_state(container->state_), 0600);
  auto launched = written ? launch(directory, plan) : Result<Launch>(fail(std::move(written).error()));
  Error error(Code::kInternal, "");
  if (launched) {
    auto channel = std::make_shared<Channel>(loop_, std::move(launched->socket));
    auto receiving = channel->receive();
    auto message = co_await std::move(receiving);
    auto state = message ? decode_state(message->reply.bytes)
                         : Result<ContainerState>(fail(std::move(message).error()));
    if (state) {
      container->state_ = std::move(*state);
      container->follow_events(std::move(channel));
      co_return container;
    }
    error = std::move(state).error();
  } else {
    error = std::move(launched).error();
  }
  auto cleaning = container->remove();
  auto cleaned = co_await std::move(cleaning);
  if (!cleaned)
    log::warn("something is left of a container that could not be created",
              {{"id", plan.id}, {"error", cleaned.error().message()}});
  co_return fail(std::move(error));
}

// What the monitor knows of its container; it tells of changes on this channel from then on. kUnavailable: it is gone.
static io::Task<Result<ContainerState>> ask_and_follow(Channel& channel) {
  KOBUK_CO_CHECK(channel.send(Request{.kind = Request::Kind::kFollow}));
  auto receiving = channel.receive();
  auto message = co_await std::move(receiving);
  if (!message) co_return fail(std::move(message).error());
  co_return decode_state(message->reply.bytes);
}

io::Task<Result<std::unique_ptr<Container>>> Runtime::adopt(std::string id) {
  std::unique_ptr<Container> container(new Container(*this, id));
  if (id.empty() || id.find('/') != id.npos || id[0] == '.' || !sys::exists(container->directory_))
    co_return fail(Code::kNotFound, "no container with the id ", id);
  auto channel = connect_monitor(loop_, container->directory_);
  Result<ContainerState> state = fail(Code::kUnavailable, "not asked");
  if (channel) {
    auto asking = ask_and_follow(**channel);
    state = co_await std::move(asking);
  } else {
    state = fail(channel.error());
  }
  if (state) {
    container->state_ = std::move(*state);
    container->follow_events(std::move(*channel));
    co_return container;
  }
  // A monitor of another version, or one that can't be asked now, may be alive: its container is not lost.
  if (state.error().code() != Code::kUnavailable) co_return fail(std::move(state).error());
  auto cleaning = container->clean_up_lost();
  co_await std::move(cleaning);
  co_return container;
}

}  // namespace kobuk::runtime
