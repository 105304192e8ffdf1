#include "runtime/testing/scratch.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/random.h"
#include "sys/file.h"

namespace kobuk::runtime::testing {
namespace {

constexpr const char* kBusybox = "/bin/busybox";

void build_rootfs(const std::string& root) {
  for (const char* folder : {"/bin", "/etc", "/proc", "/sys", "/dev", "/tmp", "/root", "/home/alice"})
    ASSERT_TRUE(sys::make_directories(root + folder).has_value());
  auto busybox = sys::read_file(kBusybox);
  ASSERT_TRUE(busybox.has_value());
  ASSERT_TRUE(sys::write_file(root + "/bin/busybox", *busybox, 0755).has_value());
  chmod((root + "/tmp").c_str(), 01777);
  for (const char* name : {"sh",  "cat",  "echo",  "sleep", "id",       "ls",   "hostname", "true", "false",
                           "env", "stat", "mount", "ps",    "grep",     "head", "dd",       "kill", "touch",
                           "pwd", "ip",   "tty",   "stty",  "readlink", "wc",   "seq",      "yes",  "trap"})
    ASSERT_EQ(symlink("busybox", cat(root, "/bin/", name).c_str()), 0);
  ASSERT_TRUE(sys::write_file(root + "/etc/passwd",
                              "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n")
                  .has_value());
  ASSERT_TRUE(
      sys::write_file(root + "/etc/group", "root:x:0:\nalice:x:1000:\nstaff:x:50:alice\n").has_value());
}

}  // namespace

std::string missing() {
  if (geteuid() != 0) return "real containers need root";
  if (!sys::exists(kBusybox)) return "the package busybox-static is not installed";
  return {};
}

Scratch::Scratch() {
  std::string name = cat("kobuk-test-", random_hex(8));
  directory_ = cat("/tmp/", name);
  cgroup_root_ = cat('/', name);
  build_rootfs(rootfs());
  open_runtime();
}

void Scratch::open_runtime() {
  auto opened = Runtime::open(loop_, {directory_ + "/run", cgroup_root_, directory_ + "/seccomp"});
  ASSERT_TRUE(opened.has_value()) << opened.error().message();
  runtime_ = std::move(*opened);
}

Scratch::~Scratch() {
  if (!runtime_) open_runtime();
  auto ids = runtime_->list();
  EXPECT_TRUE(!ids || ids->empty()) << "the folder of a container is left: " << (*ids)[0];
  auto cgroups = runtime_->remove_cgroups();
  EXPECT_TRUE(cgroups.has_value()) << cgroups.error().message();
  runtime_.reset();
  auto mounts = sys::read_file("/proc/self/mountinfo");
  EXPECT_TRUE(mounts && mounts->find(directory_) == std::string::npos) << "something is left mounted";
  auto removed = sys::remove_tree(directory_);
  EXPECT_TRUE(removed.has_value()) << removed.error().message();
}

ContainerSpec Scratch::spec(std::string id, std::vector<std::string> args) {
  ContainerSpec spec = default_container_spec(id, runtime_->facts());
  spec.rootfs.path = rootfs();
  spec.process.args = std::move(args);
  spec.cgroup_path = cat(cgroup_root_, '/', id);
  spec.hostname = id;
  spec.log = {LogFormat::kJsonFile, log_path(id)};
  return spec;
}

std::string Scratch::log_path(std::string_view id) const { return cat(directory_, '/', id, ".log"); }

std::string Scratch::log_of(std::string_view id) const {
  auto text = sys::read_file(log_path(id));
  if (!text) return cat("no log: ", text.error().message());
  std::string out;
  for (std::string_view line : split(*text, '\n')) {
    constexpr std::string_view kStart = "{\"log\":\"";
    size_t end = line.find("\",\"stream\":");
    if (!line.starts_with(kStart) || end == line.npos) continue;
    std::string_view body = line.substr(kStart.size(), end - kStart.size());
    for (size_t i = 0; i < body.size(); ++i) {
      bool escape = body[i] == '\\' && i + 1 < body.size();
      if (escape && body[i + 1] == 'n') {
        out += '\n', ++i;
      } else if (body.substr(i).starts_with("\\u0009")) {
        out += '\t', i += 5;
      } else if (escape && body[i + 1] == 'r') {
        ++i;
      } else if (escape && (body[i + 1] == '"' || body[i + 1] == '\\')) {
        out += body[++i];
      } else {
        out += body[i];
      }
    }
  }
  return out;
}

std::unique_ptr<Container> Scratch::create(ContainerSpec spec) {
  auto created = run(runtime_->create(std::move(spec)));
  EXPECT_TRUE(created.has_value()) << created.error().message();
  return created ? std::move(*created) : nullptr;
}

Result<ExitStatus> Scratch::run_container(ContainerSpec spec) {
  KOBUK_TRY(auto container, run(runtime_->create(std::move(spec))));
  auto started = run(container->start());
  auto status = run(container->wait());
  auto removed = run(container->remove());
  KOBUK_CHECK(started);
  KOBUK_CHECK(removed);
  return status;
}

size_t Scratch::processes_left() const {
  auto facts = sys::read_cgroup_facts();
  auto pids =
      facts ? sys::Cgroup(*facts, cgroup_root_).processes() : Result<std::vector<pid_t>>(fail(facts.error()));
  return pids ? pids->size() : 0;
}

}  // namespace kobuk::runtime::testing
