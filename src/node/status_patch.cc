// What of a status differs, as a strategic merge patch: lists with a merge key by element, everything else as a whole.
#include "api/decode.h"
#include "api/patch.h"
#include "codec/json.h"
#include "node/status.h"

namespace kobuk::node {
namespace {

using codec::Arena;
using codec::Value;

constexpr std::string_view kWhole[] = {"observedGeneration", "phase", "message", "reason", "hostIP", "podIP", "startTime",
                                       "initContainerStatuses", "containerStatuses", "qosClass"};

Value find_element(const Value& list, std::string_view key, std::string_view name) {
  for (const Value& element : list.items()) {
    if (element[key].as_string() == name) return element;
  }
  return {};
}

// Elements of `to` that are not in `from` as they are; `remove`: and the directive to drop those that are gone.
Value changed_elements(const Value& from, const Value& to, std::string_view key, bool remove, Arena& arena) {
  Value out = Value::array();
  for (const Value& element : to.items()) {
    Value old = find_element(from, key, element[key].as_string());
    if (old == element) continue;
    Value changed = element.clone(arena);
    for (const codec::Member& member : old.members()) {  // what a merge would keep: a reason that holds no more
      if (!element.find(member.key)) changed.set(arena, member.key, Value());
    }
    out.push(arena, changed);
  }
  for (const Value& element : from.items()) {
    if (!remove || !find_element(to, key, element[key].as_string()).is_null()) continue;
    Value directive = Value::object();
    directive.set(arena, "$patch", Value::string_view("delete"));
    directive.set(arena, key, element[key]);
    out.push(arena, directive);
  }
  return out;
}

}  // namespace

std::string status_patch(const core::Pod& known, const core::PodStatus& wanted) {
  Arena arena;
  Value from = api::to_value(arena, known.status), to = api::to_value(arena, wanted), status = Value::object();
  for (std::string_view key : kWhole) {
    if (from[key] == to[key]) continue;
    status.set(arena, key, to[key]);  // null removes
  }
  struct Keyed {
    std::string_view field, key;
    bool remove;
  };
  for (const Keyed& list : {Keyed{"conditions", "type", false}, Keyed{"podIPs", "ip", true}, Keyed{"hostIPs", "ip", true}}) {
    Value changed = changed_elements(from[list.field], to[list.field], list.key, list.remove, arena);
    if (!changed.empty()) status.set(arena, list.field, changed);
  }
  if (status.empty()) return {};
  Value patch = Value::object(), metadata = Value::object();
  metadata.set(arena, "uid", Value::string_view(known.metadata.uid));
  patch.set(arena, "metadata", metadata);
  patch.set(arena, "status", status);
  return codec::to_json(patch);
}

}  // namespace kobuk::node
