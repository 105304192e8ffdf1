#include "network/testing/fake_host.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>

namespace kobuk::network::testing {
namespace {

class FakeNetlink final : public sys::Netlink {
 public:
  FakeNetlink(Machine& machine, FakeLinks& own) : machine_(machine), own_(own) {}

  Result<std::vector<sys::Link>> links() override {
    KOBUK_CHECK(machine_.step("list links"));
    return own_.links;
  }
  Result<sys::Link> link(const std::string& name) override {
    KOBUK_CHECK(machine_.step(cat("look at ", name)));
    KOBUK_TRY(sys::Link * found, find(name));
    return *found;
  }
  Result<void> add_bridge(const sys::BridgeLink& bridge) override {
    KOBUK_CHECK(machine_.step(cat("add bridge ", bridge.name)));
    return add(own_, {.name = bridge.name, .kind = "bridge", .mac = bridge.mac, .mtu = bridge.mtu});
  }
  Result<void> add_veth(const sys::VethLink& veth) override {
    KOBUK_CHECK(machine_.step(cat("add veth ", veth.name)));
    KOBUK_TRY(sys::Link * bridge, find(veth.bridge));
    int master = bridge->index;
    KOBUK_CHECK(add(own_, {.name = veth.name, .kind = "veth", .mtu = veth.mtu, .master = master, .up = true}));
    FakeLinks& inside = machine_.namespaces.begin()->second;
    machine_.peers[veth.name] = &inside;
    return add(inside, {.name = veth.peer_name, .kind = "veth", .mac = veth.peer_mac, .mtu = veth.mtu});
  }
  Result<void> remove_link(const std::string& name) override {
    KOBUK_CHECK(machine_.step(cat("remove ", name)));
    std::erase_if(own_.links, [&](const sys::Link& link) { return link.name == name; });
    if (machine_.peers.contains(name)) *machine_.peers[name] = {};
    machine_.peers.erase(name);
    return {};
  }
  Result<void> set_up(const std::string& name) override {
    KOBUK_CHECK(machine_.step(cat("bring up ", name)));
    if (name == "lo") return {};
    KOBUK_TRY(sys::Link * found, find(name));
    found->up = true;
    return {};
  }
  Result<void> set_mtu(const std::string& name, int mtu) override {
    KOBUK_CHECK(machine_.step(cat("set mtu of ", name)));
    KOBUK_TRY(sys::Link * found, find(name));
    found->mtu = mtu;
    return {};
  }
  Result<void> set_alias(const std::string& name, const std::string& alias) override {
    KOBUK_CHECK(machine_.step(cat("set alias of ", name)));
    KOBUK_TRY(sys::Link * found, find(name));
    found->alias = alias;
    return {};
  }
  Result<void> set_master(const std::string& name, const std::string& bridge) override {
    KOBUK_CHECK(machine_.step(cat("set master of ", name)));
    KOBUK_TRY(sys::Link * master, find(bridge));
    KOBUK_TRY(sys::Link * found, find(name));
    found->master = master->index;
    return {};
  }
  Result<void> rename(const std::string& name, const std::string& to) override {
    KOBUK_CHECK(machine_.step(cat("rename ", name)));
    KOBUK_TRY(sys::Link * found, find(name));
    found->name = to;
    return {};
  }
  Result<std::vector<sys::LinkAddress>> addresses() override {
    KOBUK_CHECK(machine_.step("list addresses"));
    return own_.addresses;
  }
  Result<void> add_address(const std::string& name, const std::string& address, int prefix) override {
    KOBUK_CHECK(machine_.step(cat("add address ", address, " to ", name)));
    KOBUK_TRY(sys::Link * found, find(name));
    sys::LinkAddress made{found->index, address, prefix};
    if (std::ranges::find(own_.addresses, made) == own_.addresses.end()) own_.addresses.push_back(made);
    return {};
  }
  Result<void> remove_address(const std::string& name, const std::string& address, int prefix) override {
    KOBUK_CHECK(machine_.step(cat("remove address ", address, " of ", name)));
    KOBUK_TRY(sys::Link * found, find(name));
    std::erase(own_.addresses, sys::LinkAddress{found->index, address, prefix});
    return {};
  }
  Result<std::vector<sys::Route>> routes() override {
    KOBUK_CHECK(machine_.step("list routes"));
    return own_.routes;
  }
  Result<void> add_default_route(const std::string& name, const std::string& gateway) override {
    KOBUK_CHECK(machine_.step(cat("add default route through ", gateway)));
    KOBUK_TRY(sys::Link * found, find(name));
    own_.routes.push_back({"0.0.0.0", 0, gateway, found->index, 0});
    return {};
  }

 private:
  Result<sys::Link*> find(const std::string& name) {
    auto found = std::ranges::find(own_.links, name, &sys::Link::name);
    if (found == own_.links.end()) return fail(Error(Code::kNotFound, cat("there is no interface ", name), ENODEV));
    return &*found;
  }
  Result<void> add(FakeLinks& where, sys::Link link) {
    if (std::ranges::find(where.links, link.name, &sys::Link::name) != where.links.end())
      return fail(Error(Code::kAlreadyExists, cat("interface ", link.name, " exists"), EEXIST));
    link.index = machine_.next_index++;
    where.links.push_back(std::move(link));
    return {};
  }

  Machine& machine_;
  FakeLinks& own_;
};

class FakeNft final : public sys::nft::Nft {
 public:
  explicit FakeNft(Machine& machine) : machine_(machine) {}
  Result<void> commit(const sys::nft::Transaction& transaction) override {
    if (transaction.empty()) return {};
    KOBUK_CHECK(machine_.step("commit"));
    constexpr std::string_view kAdd = "add table ", kDelete = "delete table ";
    for (const auto& message : transaction.messages) {
      if (message.object.starts_with(kAdd)) machine_.tables.insert(message.object.substr(kAdd.size()));
      if (message.object.starts_with(kDelete)) machine_.tables.erase(message.object.substr(kDelete.size()));
    }
    return {};
  }
  Result<std::vector<std::string>> tables() override {
    KOBUK_CHECK(machine_.step("list tables"));
    return std::vector<std::string>(machine_.tables.begin(), machine_.tables.end());
  }
  Result<std::vector<std::string>> dropping_forward_chains() override { return machine_.dropping; }

 private:
  Machine& machine_;
};

class FakeHost final : public Host {
 public:
  explicit FakeHost(Machine& machine) : machine_(machine), links_(machine, machine.host), nft_(machine) {}
  sys::Netlink& links() override { return links_; }
  sys::nft::Nft& nft() override { return nft_; }
  Result<sys::UniqueFd> open_namespace(const std::string& path) override {
    KOBUK_CHECK(machine_.step(cat("open ", path)));
    if (!machine_.namespaces.contains(path)) return fail(Code::kNotFound, path);
    return sys::UniqueFd(eventfd(0, EFD_CLOEXEC));
  }
  Result<std::unique_ptr<sys::Netlink>> links_in(int) override {
    KOBUK_CHECK(machine_.step("enter the namespace"));
    return std::make_unique<FakeNetlink>(machine_, machine_.namespaces.begin()->second);
  }
  Result<size_t> forget_connections(uint8_t, const sys::ConnectionFilter&) override {
    KOBUK_CHECK(machine_.step("forget connections"));
    return 0;
  }
  Result<void> set_setting(const std::string& name, const std::string& value) override {
    KOBUK_CHECK(machine_.step(cat("set ", name)));
    machine_.settings[name] = value;
    return {};
  }
  bool has_setting(const std::string&) override { return true; }
  Result<std::string> setting(const std::string& name) override {
    KOBUK_CHECK(machine_.step(cat("read ", name)));
    auto found = machine_.settings.find(name);
    return found == machine_.settings.end() ? std::string("0") : found->second;
  }
  Result<void> accept_forwarding(const std::string& interface, bool accept) override {
    KOBUK_CHECK(machine_.step(cat(accept ? "accept" : "no longer accept", " forwarding of ", interface)));
    return {};
  }
  Result<sys::HeldPort> hold_port(const std::string& address, uint16_t port, Protocol) override {
    KOBUK_CHECK(machine_.step(cat("hold ", address, ":", port)));
    if (machine_.taken.contains(port)) return fail(Error(Code::kAlreadyExists, "taken", EADDRINUSE));
    return sys::HeldPort{{}, port ? port : uint16_t{32768}};
  }
  Result<std::string> read_state(const std::string& path) override {
    KOBUK_CHECK(machine_.step("read the state"));
    auto found = machine_.files.find(path);
    if (found == machine_.files.end()) return fail(Code::kNotFound, path);
    return found->second;
  }
  Result<void> remove_state(const std::string& path) override {
    KOBUK_CHECK(machine_.step("remove the state"));
    machine_.files.erase(path);
    return {};
  }
  Result<void> write_state(const std::string& path, const std::string& bytes, Keep keep) override {
    KOBUK_CHECK(machine_.step(keep == Keep::kLasting ? "write the bridges" : "write the state"));
    machine_.files[path] = bytes;
    return {};
  }

 private:
  Machine& machine_;
  FakeNetlink links_;
  FakeNft nft_;
};

}  // namespace

Result<void> Machine::step(std::string what) {
  if (operations++ == fail_at) return fail(Error(Code::kInternal, cat(what, ": made to fail"), EIO));
  done.push_back(std::move(what));
  return {};
}

std::string Machine::visible() const {
  std::string out;
  auto add = [&out](const FakeLinks& where) {
    for (const auto& link : where.links) cat_to(out, link.name, " ", link.alias, "\n");
    for (const auto& route : where.routes) cat_to(out, "route through ", route.gateway, "\n");
  };
  add(host);
  for (const auto& [path, where] : namespaces) add(where);
  for (const std::string& table : tables) cat_to(out, "table ", table, "\n");
  for (const auto& [path, bytes] : files) cat_to(out, path, " ", bytes, "\n");
  return out;
}

std::unique_ptr<Host> fake_host(Machine& machine) { return std::make_unique<FakeHost>(machine); }

}  // namespace kobuk::network::testing
