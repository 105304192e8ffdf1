#include "network/state_files.h"

#include <algorithm>

namespace kobuk::network {
namespace {

// What outlives the host's run.
State lasting(const State& state) {
  State out;
  for (const Bridge& bridge : state.bridges) out.bridges.push_back({bridge.spec});
  return out;
}

}  // namespace

StateFiles::StateFiles(Host& host, const Networks::Options& options)
    : host_(&host),
      bridges_path_(cat(options.state_directory, "/networks.json")),
      run_path_(cat(options.run_directory, "/networks.json")),
      bridges_(encode_state({})) {}

Result<State> StateFiles::read_one(const std::string& path, bool* there) {
  auto bytes = host_->read_state(path);
  *there = bytes.has_value();
  if (!bytes && bytes.error().code() == Code::kNotFound) return State{};
  if (!bytes) return fail(std::move(bytes).error());
  auto state = decode_state(*bytes);
  if (!state) return fail(std::move(state).error().context(path, " (remove the file to begin without networks)"));
  return state;
}

Result<State> StateFiles::read() {
  bool there = false;
  KOBUK_TRY(State out, read_one(bridges_path_, &there));
  bridges_ = encode_state(lasting(out));
  KOBUK_TRY(State run, read_one(run_path_, &there));
  if (!there) return out;
  out.forwarding = run.forwarding;
  for (Bridge& bridge : out.bridges) {
    if (const Bridge* known = run.find_bridge(bridge.spec.name)) bridge.last_address = known->last_address;
  }
  std::erase_if(run.attachments, [&](const Attachment& each) { return out.find_bridge(each.network) == nullptr; });
  out.attachments = std::move(run.attachments);
  return out;
}

Result<void> StateFiles::write(const State& state) {
  std::string bridges = encode_state(lasting(state));
  bool changed = bridges != bridges_;
  if (changed) KOBUK_CHECK(host_->write_state(bridges_path_, bridges, Host::Keep::kLasting));
  auto written = host_->write_state(run_path_, encode_state(state), Host::Keep::kThisRun);
  if (!written && changed) (void)host_->write_state(bridges_path_, bridges_, Host::Keep::kLasting);
  if (written) bridges_ = std::move(bridges);
  return written;
}

Result<void> StateFiles::remove() {
  KOBUK_CHECK(host_->remove_state(run_path_));
  KOBUK_CHECK(host_->remove_state(bridges_path_));
  bridges_ = encode_state({});
  return {};
}

}  // namespace kobuk::network
