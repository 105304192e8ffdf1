// Networks over the Docker Engine API.
#include <algorithm>

#include "codec/json.h"
#include "engine/docker.h"
#include "engine/docker_create.h"

namespace kobuk::engine::docker {
namespace {

std::map<std::string, std::string> text_map(const codec::Value& value) {
  std::map<std::string, std::string> out;
  for (const codec::Member& member : value.members()) out[std::string(member.key)] = member.value.as_string();
  return out;
}

bool built_in(const NetworkRecord& record) { return record.name == "bridge" || record.name == "host" || record.name == "none"; }

bool fits(const NetworkRecord& record, const Filters& filters) {
  auto part_of = [](const std::string& text) { return [&text](const std::string& wanted) { return text.find(wanted) != std::string::npos; }; };
  bool type = filters.any("type", [&](const std::string& wanted) { return (wanted == "builtin") == built_in(record); });
  return type && filters.any("name", part_of(record.name)) && filters.any("id", part_of(record.id)) && filters.exact("driver", record.driver) &&
         filters.labels(record.labels) && filters.any("scope", [](const std::string& wanted) { return wanted == "local"; });
}

io::Task<Response> list_networks(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  auto known = filters->check({"name", "id", "driver", "type", "label", "label!", "scope", "dangling"});
  if (!known) co_return error_response(known.error());
  auto dangling = filters->boolean("dangling", false);
  if (!dangling) co_return error_response(dangling.error());
  JsonText out;
  out.open_array();
  for (const auto& [id, record] : call.core->network_records()) {
    bool unused = call.core->attached_to(record.name).empty() && !built_in(record);
    if (filters->has("dangling") && unused != *dangling) continue;
    if (fits(record, *filters)) out.raw(network_json(*call.core, record, false));
  }
  out.close_array();
  co_return json(200, std::move(out));
}

io::Task<Response> inspect_network(Call call) {
  auto record = call.core->find_network(call.args[0]);
  if (!record) co_return error_response(record.error());
  std::string text = network_json(*call.core, *record, true);
  co_return io::http::json_response(200, text + "\n");
}

constexpr std::string_view kMtu = "com.docker.network.driver.mtu";

// What is not said to be heard is refused: a network that is not as asked for is worse than none.
Result<void> take_options(const codec::Value& root, NetworkRecord& record) {
  record.options = text_map(root["Options"]);
  for (const auto& [name, value] : record.options) {
    auto number = parse_int(value);
    if (name == kMtu) {
      constexpr int64_t kLeast = 68, kMost = 65535;  // RFC 791; what a bridge takes
      if (!number || *number < kLeast || *number > kMost) return fail(Code::kInvalid, "network option ", kMtu, ": want a number from 68 to 65535, not ", go_quote(value));
      record.mtu = *number;
    } else if (name != kMasqueradeOption || (value != "true" && value != "false")) {
      return fail(Code::kUnsupported, "network option ", name, "=", value, " is not supported: leave it out; ", kMtu, " and ", kMasqueradeOption, " (true or false) are there");
    }
  }
  const codec::Value& ipam = root["IPAM"];
  if (std::string_view driver = ipam["Driver"].as_string(); !driver.empty() && driver != "default")
    return fail(Code::kUnsupported, "IPAM driver ", go_quote(driver), " is not supported: leave --ipam-driver out");
  if (!ipam["Options"].empty()) return fail(Code::kUnsupported, "options of the IPAM driver are not supported: leave --ipam-opt out");
  if (!ipam["Config"].at(0)["AuxiliaryAddresses"].empty()) return fail(Code::kUnsupported, "--aux-address is not supported: give a subnet without those addresses");
  for (const char* field : {"ConfigOnly", "Ingress"})
    if (root[field].as_bool()) return fail(Code::kUnsupported, field, " networks are swarm's, which is not supported: leave that option out");
  if (!root["ConfigFrom"]["Network"].as_string().empty()) return fail(Code::kUnsupported, "--config-from is swarm's, which is not supported: leave it out");
  return {};
}

io::Task<Response> create_network(Call call) {
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  const codec::Value& root = body->root;
  NetworkRecord record;
  record.name = root["Name"].as_string();
  record.driver = root["Driver"].as_string("bridge");
  if (record.driver.empty() || record.driver == "default") record.driver = "bridge";
  if (record.driver != "bridge") co_return message_response(404, cat("plugin ", go_quote(record.driver), " not found: only the bridge driver makes networks here"));
  if (root["EnableIPv6"].as_bool()) co_return message_response(501, "IPv6 networks are not supported: leave --ipv6 out");
  const codec::Value& ipam = root["IPAM"]["Config"];
  if (ipam.size() > 1) co_return message_response(501, "a network has one subnet here: give one --subnet");
  record.subnet = ipam.at(0)["Subnet"].as_string();
  record.gateway = ipam.at(0)["Gateway"].as_string();
  if (!ipam.at(0)["IPRange"].as_string().empty()) co_return message_response(501, "--ip-range is not supported: give a smaller --subnet");
  record.internal = root["Internal"].as_bool();
  record.labels = text_map(root["Labels"]);
  auto taken = take_options(root, record);
  if (!taken) co_return error_response(taken.error());
  auto made = co_await call.core->create_network(std::move(record));
  if (!made) co_return error_response(made.error());
  JsonText out;
  out.open_object().field("Id", made->id).field("Warning", "").close_object();
  co_return json(201, std::move(out));
}

io::Task<Response> remove_network(Call call) {
  auto removed = co_await call.core->remove_network(call.args[0]);
  co_return done(removed);
}

io::Task<Response> connect_network(Call call) {
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  auto record = call.core->find_network(call.args[0]);
  if (!record) co_return error_response(record.error());
  auto entry = call.core->find(body->root["Container"].as_string());
  if (!entry) co_return error_response(entry.error());
  auto endpoint = decode_endpoint(record->name, body->root["EndpointConfig"]);
  if (!endpoint) co_return error_response(endpoint.error());
  auto connected = co_await call.core->connect(*entry, *std::move(endpoint));
  co_return done(connected, 200);
}

io::Task<Response> disconnect_network(Call call) {
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  auto record = call.core->find_network(call.args[0]);
  if (!record) co_return error_response(record.error());
  auto entry = call.core->find(body->root["Container"].as_string());
  if (!entry) co_return error_response(entry.error());
  auto disconnected = co_await call.core->disconnect(*entry, record->name, body->root["Force"].as_bool());
  co_return done(disconnected, 200);
}

io::Task<Response> prune_networks(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  auto known = filters->check({"label", "label!"});
  if (!known) co_return error_response(known.error());
  std::vector<std::string> doomed;
  for (const auto& [id, record] : call.core->network_records())
    if (!built_in(record) && call.core->attached_to(record.name).empty() && filters->labels(record.labels)) doomed.push_back(record.name);
  JsonText out;
  out.open_object().key("NetworksDeleted").open_array();
  for (const std::string& name : doomed) {
    auto removed = co_await call.core->remove_network(name);
    if (removed) out.value(name);
  }
  out.close_array().close_object();
  co_return json(200, std::move(out));
}

}  // namespace

std::string network_json(Core& core, const NetworkRecord& record, bool with_containers) {
  JsonText out;
  out.open_object().field("Name", record.name).field("Id", record.id).field("Created", time_text(record.created)).field("Scope", "local");
  out.field("Driver", record.driver).field("EnableIPv4", true).field("EnableIPv6", false);
  out.key("IPAM").open_object().field("Driver", "default").null_field("Options").key("Config").open_array();
  if (!record.subnet.empty()) out.open_object().field("Subnet", record.subnet).field("Gateway", record.gateway).close_object();
  out.close_array().close_object().field("Internal", record.internal).field("Attachable", false).field("Ingress", false);
  out.key("ConfigFrom").open_object().field("Network", "").close_object().field("ConfigOnly", false).key("Containers").open_object();
  if (with_containers) {
    for (const EntryPtr& entry : core.attached_to(record.name)) {
      for (const EndpointRecord& endpoint : entry->status.endpoints) {
        if (endpoint.network != record.name || entry->record.origin != Origin::kDocker) continue;
        out.key(entry->record.id).open_object().field("Name", entry->record.name).field("EndpointID", endpoint.id).field("MacAddress", endpoint.mac);
        out.field("IPv4Address", endpoint.address.empty() ? std::string() : cat(endpoint.address, "/", endpoint.prefix)).field("IPv6Address", "").close_object();
      }
    }
  }
  out.close_object().field("Options", record.options).field("Labels", record.labels).close_object();
  return std::move(out).take();
}

std::vector<Route> network_routes() {
  return {{"GET", "/networks", list_networks}, {"POST", "/networks/create", create_network}, {"POST", "/networks/prune", prune_networks},
          {"GET", "/networks/*", inspect_network}, {"DELETE", "/networks/*", remove_network},
          {"POST", "/networks/*/connect", connect_network}, {"POST", "/networks/*/disconnect", disconnect_network}};
}

}  // namespace kobuk::engine::docker
