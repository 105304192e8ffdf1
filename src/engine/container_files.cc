// resolv.conf(5), hosts(5) and hostname(5) of a container: files of ours, mounted over those of its image. They are
// rewritten in place, since a mount stands on the file itself.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"
#include "engine/core.h"
#include "engine/names.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

struct Resolver {
  std::vector<std::string> servers, searches, options;
};

// Servers on the host's loopback are of no use inside another network namespace.
bool is_loopback(std::string_view server) { return server.starts_with("127.") || server == "::1"; }

void read_resolv_conf(const std::string& path, bool keep_loopback, Resolver& out) {
  auto text = sys::read_file(path, 1 << 20);
  if (!text) return;
  for (std::string_view line : split(*text, '\n')) {
    std::string clean(line);
    std::replace(clean.begin(), clean.end(), '\t', ' ');
    auto words = split(clean, ' ');
    std::erase(words, "");
    if (words.size() < 2) continue;
    std::vector<std::string>* to = words[0] == "nameserver" ? &out.servers : words[0] == "search" ? &out.searches : words[0] == "options" ? &out.options : nullptr;
    if (to == nullptr || (to == &out.servers && !keep_loopback && is_loopback(words[1]))) continue;
    if (to == &out.searches) to->clear();
    to->insert(to->end(), words.begin() + 1, words.end());
  }
}

Resolver host_resolver(bool keep_loopback) {
  Resolver out;
  read_resolv_conf("/etc/resolv.conf", keep_loopback, out);
  // The stub of systemd-resolved is on loopback; what it asks stands here.
  if (out.servers.empty()) read_resolv_conf("/run/systemd/resolve/resolv.conf", keep_loopback, out);
  return out;
}

std::string resolv_conf_of(const ContainerRecord& record) {
  Resolver resolver;
  bool own = !record.dns.empty() || (record.origin == Origin::kSandbox && !record.dns_search.empty());
  if (!own) resolver = host_resolver(record.network_mode == "host");
  if (!record.dns.empty()) resolver.servers = record.dns;
  if (!record.dns_search.empty()) resolver.searches = record.dns_search;
  if (record.dns_search == std::vector<std::string>{"."}) resolver.searches.clear();
  if (!record.dns_options.empty()) resolver.options = record.dns_options;
  std::string out;
  for (const std::string& server : resolver.servers) cat_to(out, "nameserver ", server, "\n");
  if (!resolver.searches.empty()) cat_to(out, "search ", join(resolver.searches, " "), "\n");
  if (!resolver.options.empty()) cat_to(out, "options ", join(resolver.options, " "), "\n");
  return out;
}

// Never empty in between: the container reads it at any time.
Result<void> rewrite(const std::string& path, const std::string& text) {
  if (auto now = sys::read_file(path, 1 << 20); now && *now == text) return {};
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(path, O_WRONLY | O_CREAT));
  KOBUK_CHECK(sys::write_all(fd.get(), text, path));
  if (ftruncate(fd.get(), static_cast<off_t>(text.size())) != 0) return fail_errno(errno, cat("truncate ", path));
  return {};
}

const EndpointRecord* endpoint_in(const Entry& entry, const std::string& network) {
  for (const EndpointRecord& endpoint : entry.status.endpoints)
    if (endpoint.network == network && !endpoint.address.empty()) return &endpoint;
  return nullptr;
}

}  // namespace

Result<void> Core::write_files(const Entry& entry) {
  std::string directory = cat(files_directory(entry.record.id), "/files");
  if (entry.record.origin == Origin::kSandbox) {
    // /dev/shm of the pod's containers: memory, since the run directory lies on a tmpfs.
    std::string shm = cat(options_.run_directory, "/shm/", entry.record.id);
    KOBUK_CHECK(sys::make_directories(shm, 0755));
    if (chmod(shm.c_str(), 01777) != 0) return fail_errno(errno, cat("chmod ", shm));
  }
  KOBUK_CHECK(sys::write_file(cat(directory, "/resolv.conf"), resolv_conf_of(entry.record)));
  KOBUK_CHECK(sys::write_file(cat(directory, "/hostname"), cat(entry.record.hostname, "\n")));
  return write_hosts(entry);
}

Result<void> Core::write_hosts(const Entry& entry) {
  const ContainerRecord& record = entry.record;
  std::string out =
      "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
      "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
  if (record.network_mode == "host") {
    auto host = sys::read_file("/etc/hosts", 1 << 20);
    if (host) out = std::move(*host);
  }
  std::string gateway;
  for (const EndpointRecord& endpoint : entry.status.endpoints)
    if (gateway.empty()) gateway = endpoint.gateway;
  for (const std::string& extra : record.extra_hosts) {
    size_t colon = extra.find(':');
    std::string address = colon == std::string::npos ? "" : extra.substr(colon + 1);
    if (address == "host-gateway") address = gateway.empty() ? "127.0.0.1" : gateway;
    cat_to(out, address, "\t", extra.substr(0, colon), "\n");
  }
  for (const EndpointRecord& endpoint : entry.status.endpoints) {
    std::string names = record.hostname;
    if (!record.domainname.empty()) names = cat(record.hostname, ".", record.domainname, " ", record.hostname);
    if (!endpoint.address.empty()) cat_to(out, endpoint.address, "\t", names, "\n");
    if (endpoint.network == "bridge" || record.origin != Origin::kDocker) continue;
    // On networks of users' own, containers find each other by name.
    for (const EntryPtr& other : attached_to(endpoint.network)) {
      const EndpointRecord* there = endpoint_in(*other, endpoint.network);
      if (other.get() == &entry || there == nullptr) continue;
      cat_to(out, there->address, "\t", other->record.name, " ", short_id(other->record.id));
      for (const std::string& alias : there->aliases) cat_to(out, " ", alias);
      out.push_back('\n');
    }
  }
  return rewrite(cat(files_directory(record.id), "/files/hosts"), out);
}

void Core::refresh_hosts(const std::string& network) {
  if (network == "bridge") return;
  for (const EntryPtr& entry : attached_to(network)) {
    if (!entry->running()) continue;
    auto written = write_hosts(*entry);
    if (!written) log::warn("a hosts file is out of date", {{"container", entry->record.id}, {"reason", written.error().message()}});
  }
}

}  // namespace kobuk::engine
