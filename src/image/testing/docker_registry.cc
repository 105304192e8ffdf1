#include "image/testing/docker_registry.h"

#include <csignal>
#include <unistd.h>

#include "sys/file.h"

namespace kobuk::image {
namespace {

constexpr std::string_view kListening = "listening on ";

// Reads the log until the registry says where it listens; empty when it ends before.
std::string read_address(int log) {
  std::string text;
  char buffer[4096];
  while (true) {
    ssize_t got = ::read(log, buffer, sizeof buffer);
    if (got <= 0) return "";
    text.append(buffer, static_cast<size_t>(got));
    size_t at = text.find(kListening);
    if (at == std::string::npos) continue;
    size_t end = text.find_first_of("\", \n", at + kListening.size());
    if (end != std::string::npos) return text.substr(at + kListening.size(), end - at - kListening.size());
  }
}

void drain(sys::UniqueFd log) {
  char buffer[4096];
  while (::read(log.get(), buffer, sizeof buffer) > 0) {
  }
}

}  // namespace

std::unique_ptr<DockerRegistry> DockerRegistry::start(const std::string& directory, const std::string& more) {
  if (!sys::exists("/usr/bin/docker-registry")) return nullptr;
  auto made = sys::make_directories(directory);
  std::string config = cat("version: 0.1\nlog: {level: info, formatter: json}\nstorage: {filesystem: {rootdirectory: ", directory,
                           "/data}, delete: {enabled: true}}\nhttp: {addr: '127.0.0.1:0'}\n", more);
  auto wrote = sys::write_file(cat(directory, "/config.yml"), config);
  auto pipe = sys::make_pipe();
  if (!made || !wrote || !pipe) return nullptr;
  sys::SpawnOptions options;
  options.path = "/usr/bin/setpriv";  // it ends with the test, however that ends
  options.args = {"setpriv", "--pdeathsig", "KILL", "/usr/bin/docker-registry", "serve", cat(directory, "/config.yml")};
  options.env = {"PATH=/usr/bin:/bin", "OTEL_TRACES_EXPORTER=none"};
  options.fds = {{pipe->second.get(), 1}, {pipe->second.get(), 2}};
  auto process = sys::spawn(options);
  pipe->second.reset();
  if (!process) return nullptr;
  std::unique_ptr<DockerRegistry> out(new DockerRegistry());
  out->process_ = *std::move(process);
  out->address_ = read_address(pipe->first.get());
  out->log_ = std::thread([log = std::move(pipe->first)]() mutable { drain(std::move(log)); });
  return out->address_.empty() ? nullptr : std::move(out);
}

DockerRegistry::~DockerRegistry() {
  auto sent = sys::send_signal(process_.pidfd.get(), SIGKILL);
  auto ended = sys::wait_for(process_);
  log_.join();
}

}  // namespace kobuk::image
