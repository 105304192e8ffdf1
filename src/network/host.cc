#include "network/host.h"

#include <netinet/in.h>

#include "base/log.h"
#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::network {
namespace {

constexpr const char* kLockSeconds = "2";  // of waiting for others' iptables, while nothing else is done

class RealHost final : public Host {
 public:
  RealHost(std::unique_ptr<sys::Netlink> links, std::unique_ptr<sys::nft::Nft> nft)
      : links_(std::move(links)), nft_(std::move(nft)) {}

  sys::Netlink& links() override { return *links_; }
  Result<sys::UniqueFd> open_namespace(const std::string& path) override { return sys::open_file(path, O_RDONLY); }
  Result<std::unique_ptr<sys::Netlink>> links_in(int network_namespace) override {
    return sys::open_netlink_in(network_namespace);
  }
  sys::nft::Nft& nft() override { return *nft_; }
  Result<size_t> forget_connections(uint8_t protocol, const sys::ConnectionFilter& stale) override {
    return sys::forget_connections(protocol, stale);
  }
  Result<void> set_setting(const std::string& name, const std::string& value) override {
    std::string path = cat("/proc/sys/", name);
    auto now = sys::read_file(path);
    if (now && trim(*now) == value) return {};  // also where /proc/sys is read-only
    return sys::write_existing(path, value);
  }
  bool has_setting(const std::string& name) override { return sys::exists(cat("/proc/sys/", name)); }
  Result<std::string> setting(const std::string& name) override {
    KOBUK_TRY(std::string text, sys::read_file(cat("/proc/sys/", name)));
    return std::string(trim(text));
  }
  Result<void> accept_forwarding(const std::string& interface, bool accept) override {
    for (const char* direction : {"-i", "-o"}) {
      std::vector<std::string> rule = {"FORWARD", direction, interface, "-j", "ACCEPT", "-m", "comment", "--comment", "kobuk"};
      KOBUK_TRY(bool present, iptables("-C", rule));
      if (present == accept) continue;
      KOBUK_TRY(bool changed, iptables(accept ? "-I" : "-D", rule));
      if (!changed) return fail(Code::kInternal, "iptables refused a rule for ", interface);
    }
    return {};
  }
  Result<sys::HeldPort> hold_port(const std::string& address, uint16_t port, Protocol protocol) override {
    return sys::hold_port(address, port, protocol_number(protocol));
  }
  Result<std::string> read_state(const std::string& path) override { return sys::read_file(path); }
  Result<void> write_state(const std::string& path, const std::string& bytes, Keep keep) override {
    return keep == Keep::kLasting ? sys::write_file_atomic(path, bytes, 0600) : sys::replace_file(path, bytes, 0600);
  }
  Result<void> remove_state(const std::string& path) override { return sys::remove_tree(path); }

 private:
  // Whether it succeeded. Rules of iptables are made by iptables: made by others, it would not show its table any more.
  static Result<bool> iptables(const char* command, const std::vector<std::string>& rule) {
    std::vector<std::string> args = {"iptables", "-w", kLockSeconds, command};
    args.insert(args.end(), rule.begin(), rule.end());
    for (const char* path : {"/usr/sbin/iptables", "/sbin/iptables", "/usr/bin/iptables"}) {
      if (!sys::exists(path)) continue;
      KOBUK_TRY(sys::Spawned child, sys::spawn({.path = path, .args = args, .env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}}));
      KOBUK_TRY(int status, sys::wait_for(child));
      return sys::exit_code_of(status) == 0;
    }
    return fail(Code::kUnsupported, "iptables is not installed");
  }

  std::unique_ptr<sys::Netlink> links_;
  std::unique_ptr<sys::nft::Nft> nft_;
};

}  // namespace

Result<std::unique_ptr<Host>> open_host() {
  KOBUK_TRY(auto links, sys::open_netlink());
  KOBUK_TRY(auto nft, sys::nft::open_nft());
  return std::make_unique<RealHost>(std::move(links), std::move(nft));
}

uint8_t protocol_number(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp: return IPPROTO_TCP;
    case Protocol::kUdp: return IPPROTO_UDP;
    case Protocol::kSctp: return IPPROTO_SCTP;
  }
  return 0;
}

std::string_view protocol_name(Protocol protocol) {
  switch (protocol) {
    case Protocol::kTcp: return "tcp";
    case Protocol::kUdp: return "udp";
    case Protocol::kSctp: return "sctp";
  }
  return "";
}

Result<void> commit_table(sys::nft::Nft& nft, const sys::nft::Table* before, const sys::nft::Table& after) {
  auto done = nft.commit(sys::nft::difference(before, after));
  bool changed_by_others = !done && before &&
                           (done.error().code() == Code::kNotFound || done.error().code() == Code::kAlreadyExists);
  if (!changed_by_others) return done;
  log::warn("the nf_tables table was changed by another program, and is made anew",
            {{"table", after.name}, {"error", done.error().message()}});
  return nft.commit(sys::nft::difference(nullptr, after));
}

}  // namespace kobuk::network
