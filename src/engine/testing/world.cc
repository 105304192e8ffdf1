#include "engine/testing/world.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "base/random.h"
#include "codec/tar.h"
#include "sys/file.h"
#include "sys/netlink.h"

namespace kobuk::engine::testing {
namespace {

constexpr const char* kBusybox = "/bin/busybox";

void build_busybox_tar(const std::string& path) {
  std::string tar;
  codec::TarWriter writer([&](std::string_view bytes) -> Result<void> {
    tar += bytes;
    return {};
  });
  auto add = [&](codec::TarType type, std::string name, uint32_t mode, std::string content = {}, std::string link = {}) {
    codec::TarEntry entry;
    entry.type = type, entry.name = std::move(name), entry.mode = mode, entry.linkname = std::move(link);
    ASSERT_TRUE(writer.add(entry, content));
  };
  for (const char* folder : {"bin/", "etc/", "root/", "data/", "home/", "www/"}) add(codec::TarType::kDirectory, folder, 0755);
  add(codec::TarType::kDirectory, "tmp/", 01777);
  auto busybox = sys::read_file(kBusybox);
  ASSERT_TRUE(busybox);
  add(codec::TarType::kFile, "bin/busybox", 0755, *busybox);
  Output applets = shell("/bin/busybox --list");
  for (std::string_view name : split(applets.text, '\n'))
    if (!name.empty() && name != "busybox") add(codec::TarType::kSymlink, cat("bin/", name), 0777, {}, "busybox");
  add(codec::TarType::kFile, "etc/passwd", 0644, "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home:/bin/sh\n");
  add(codec::TarType::kFile, "etc/group", 0644, "root:x:0:\nalice:x:1000:\n");
  add(codec::TarType::kFile, "www/index.html", 0644, "hello from the image\n");
  add(codec::TarType::kFile, "data/seed", 0600, "seed\n");
  ASSERT_TRUE(writer.finish());
  ASSERT_TRUE(sys::write_file(path, tar));
}

}  // namespace

std::string missing() {
  if (geteuid() != 0) return "real containers need root";
  if (!sys::exists(kBusybox)) return "the package busybox-static is not installed";
  return {};
}

bool enter_own_network() {
  static bool entered = [] {
    if (unshare(CLONE_NEWNET) != 0) return false;
    auto links = sys::open_netlink();
    return links && (*links)->set_up("lo");
  }();
  return entered;
}

World::World() : name_(cat("test-", random_hex(6))) { build_busybox_tar(busybox_tar()); }

EngineOptions World::options() const {
  EngineOptions out;
  out.profile = name_;
  out.directory = data_.path() + "/engine";
  out.run_directory = run_.path();
  out.cgroup_root = cat("/kobuk-", name_);
  out.pod_subnet = "10.201.0.0/24";
  out.docker_subnet = "172.31.0.0/16";
  return out;
}

std::vector<std::string> World::leftovers() const {
  std::vector<std::string> out;
  auto lines_of = [&](const std::string& command, const char* what) {
    Output found = shell(command);
    for (std::string_view line : split(found.text, '\n'))
      if (!line.empty()) out.push_back(cat(what, ": ", line));
  };
  lines_of(cat("find /sys/fs/cgroup -type d -name 'kobuk-", name_, "' 2>/dev/null"), "cgroup");
  lines_of(cat("grep -h ", data_.path(), " /proc/self/mountinfo; grep -h ", run_.path(), " /proc/self/mountinfo"), "mount");
  lines_of("ip -o link | grep -v ' lo:' | grep -v -E ' (sit0|tunl0|gre0|gretap0|erspan0|ip6tnl0|ip6gre0|ip_vti0|ip6_vti0)@?'", "interface");
  lines_of("nft list tables 2>/dev/null | grep kobuk", "rules");
  lines_of(cat("ls ", run_.path(), " | grep -v docker.sock"), "run directory");
  lines_of(cat("pgrep -af ", run_.path(), " | grep -v pgrep | grep -v 'sh -c'"), "process");
  return out;
}

Output shell(const std::string& command) {
  Output out;
  FILE* pipe = popen(cat("{ ", command, "\n} 2>&1").c_str(), "r");
  if (pipe == nullptr) return {"popen failed", -1};
  char buffer[4096];
  while (size_t got = fread(buffer, 1, sizeof buffer, pipe)) out.text.append(buffer, got);
  int status = pclose(pipe);
  out.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return out;
}

}  // namespace kobuk::engine::testing
