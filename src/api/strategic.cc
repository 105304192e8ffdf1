// Strategic merge patch (k8s.io/apimachinery/pkg/util/strategicpatch), by schema.
#include "api/strategic.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "api/member_table.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

constexpr std::string_view kPatch = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kOrder = "$setElementOrder/";
constexpr std::string_view kDeletePrimitives = "$deleteFromPrimitiveList/";

bool is_directive(std::string_view key) {
  return key == kPatch || key == kRetainKeys || key.starts_with(kOrder) || key.starts_with(kDeletePrimitives);
}

struct FieldRules {
  const Schema* schema = nullptr;  // nullptr: free form
  std::string_view key;
  bool merge = false, retain_keys = false;
};

FieldRules rules_of(const Schema* schema, std::string_view name) {
  if (!schema) return {};
  if (schema->type == Type::kMap) return {schema->element, {}, false, false};
  const Field* field = schema->type == Type::kObject ? schema->find(name) : nullptr;
  if (!field) return {};
  return {field->schema, field->patch_key, field->patch_merge, field->patch_retain_keys};
}

const Value kNothing{};

// An object while it is changed: what is erased is marked, and goes at the end all at once, so that a large patch of a large
// object costs no square of their size.
class Draft {
 public:
  Draft(Value& object, Arena& arena) : object_(object), arena_(arena) { index_if_large(); }
  const Value& operator[](std::string_view key) const {
    size_t place = find(key);
    return place == kNowhere ? kNothing : object_.members()[place].value;
  }
  void set(std::string_view key, Value value) {
    size_t place = find(key);
    if (place != kNowhere) {
      object_.members()[place].value = value;
      return;
    }
    std::string_view kept = arena_.copy(key);
    if (indexed_) places_.emplace(kept, object_.size());
    object_.add_unchecked(arena_, kept, value);
    index_if_large();
  }
  void erase(std::string_view key) {
    size_t place = find(key);
    if (place == kNowhere) return;
    gone_.insert(place);
    places_.erase(key);
  }
  void finish() {
    size_t kept = 0;
    for (size_t i = 0; i < object_.size(); ++i)
      if (!gone_.contains(i)) object_.members()[kept++] = object_.members()[i];
    object_.truncate(kept);
  }

 private:
  static constexpr size_t kNowhere = SIZE_MAX;
  static constexpr size_t kFew = 64;  // members that are searched as they lie: nearly every object

  size_t find(std::string_view key) const {
    if (indexed_) {
      auto place = places_.find(key);
      return place == places_.end() ? kNowhere : place->second;
    }
    for (size_t i = 0; i < object_.size(); ++i)
      if (object_.members()[i].key == key && !gone_.contains(i)) return i;
    return kNowhere;
  }
  void index_if_large() {
    if (indexed_ || object_.size() <= kFew) return;
    indexed_ = true;
    for (size_t i = 0; i < object_.size(); ++i)
      if (!gone_.contains(i)) places_.emplace(object_.members()[i].key, i);
  }

  Value& object_;
  Arena& arena_;
  bool indexed_ = false;
  std::unordered_map<std::string_view, size_t> places_;
  std::unordered_set<size_t> gone_;
};

class Merger {
 public:
  explicit Merger(Arena& arena) : arena_(arena) {}

  Result<Value> object(const Value& target, const Value& patch, const Schema* schema, bool retain_keys) {
    if (const Value* directive = patch.find(kPatch)) {
      std::string_view text = directive->as_string();
      if (text == "replace") return without_directives(patch);
      if (text == "delete") return Value::object();
      if (text != "merge") return fail(Code::kInvalid, "Unknown patch type: ", codec::to_json(*directive));
    }
    Value out = target.is_object() ? shallow(target) : Value::object();
    if (const Value* retained = patch.find(kRetainKeys)) {
      if (!retain_keys) return fail(Code::kInvalid, "invalid patch format: $retainKeys is not allowed here");
      KOBUK_CHECK(retain(out, *retained, patch));
    }
    MemberTable siblings(patch);
    Draft draft(out, arena_);
    for (const auto& member : patch.members()) {
      if (is_directive(member.key)) {
        KOBUK_CHECK(list_directive(draft, member.key, siblings, schema));
        continue;
      }
      if (member.value.is_null()) {
        draft.erase(member.key);
        continue;
      }
      KOBUK_TRY(Value merged, field(draft[member.key], member.value, siblings, member.key, rules_of(schema, member.key)));
      draft.set(member.key, merged);
    }
    draft.finish();
    return out;
  }

 private:
  Value shallow(const Value& object) {
    Value out = Value::object();
    for (const auto& member : object.members()) out.add_unchecked(arena_, member.key, member.value);
    return out;
  }

  Value without_directives(const Value& patch) {
    Value out = Value::object();
    for (const auto& member : patch.members())
      if (!is_directive(member.key) && !member.value.is_null()) out.add_unchecked(arena_, member.key, member.value);
    return out;
  }

  Result<void> retain(Value& out, const Value& retained, const Value& patch) {
    std::unordered_set<std::string_view> names;
    for (const Value& one : retained.items()) names.insert(one.as_string());
    auto listed = [&](std::string_view key) { return names.contains(key); };
    if (!retained.is_array()) return fail(Code::kInvalid, "invalid patch format: $retainKeys is no list");
    for (const auto& member : patch.members())
      if (!is_directive(member.key) && !member.value.is_null() && !listed(member.key))
        return fail(Code::kInvalid, "invalid patch format: ", member.key, " is not in $retainKeys");
    size_t kept = 0;
    for (const auto& member : out.members())
      if (listed(member.key)) out.members()[kept++] = member;
    out.truncate(kept);
    return {};
  }

  // A directive on a list that the patch itself does not hold; with the list it is handled together (field()).
  Result<void> list_directive(Draft& out, std::string_view key, const MemberTable& patch, const Schema* schema) {
    auto slash = key.find('/');
    if (slash == key.npos) return {};
    std::string_view name = key.substr(slash + 1);
    if (patch.find(name)) return {};
    if (key.starts_with(kOrder) && patch.find(cat(kDeletePrimitives, name))) return {};  // done with the deletion
    const Value& current = out[name];
    if (current.is_null()) return {};
    FieldRules rules = rules_of(schema, name);
    if (!rules.merge) return fail(Code::kInvalid, "invalid patch format: ", key, " names a list that is not merged");
    KOBUK_TRY(Value merged, list(current, Value::array(), patch, name, rules));
    out.set(name, merged);
    return {};
  }

  Result<Value> field(const Value& current, const Value& patch, const MemberTable& siblings, std::string_view name,
                      const FieldRules& rules) {
    if (patch.is_object()) {
      bool opaque = rules.schema && rules.schema->type != Type::kObject && rules.schema->type != Type::kMap &&
                    rules.schema->type != Type::kAny;
      if (opaque) return patch;
      return object(current, patch, rules.schema, rules.retain_keys);
    }
    if (patch.is_array() && rules.merge && rules.schema->type == Type::kArray)
      return list(current.is_array() ? current : Value::array(), patch, siblings, name, rules);
    return patch;
  }

  Result<Value> list(const Value& current, const Value& patch, const MemberTable& siblings, std::string_view name,
                     const FieldRules& rules) {
    const Value& order = siblings[cat(kOrder, name)];
    if (!order.is_null() && !order.is_array())
      return fail(Code::kInvalid, "invalid patch format of setElementOrder list");
    if (rules.key.empty()) return primitives(current, patch, siblings[cat(kDeletePrimitives, name)], order);
    return keyed(current, patch, order, rules);
  }

  // What two elements are the same by: their merge key, or the whole of a primitive.
  static std::string identity(const Value& item, std::string_view key) {
    return codec::to_json(key.empty() ? item : item[key]);
  }
  using Positions = std::unordered_map<std::string, size_t>;
  static Positions positions(const Value& list, std::string_view key) {
    Positions out;
    size_t index = 0;
    for (const Value& item : list.items()) out.try_emplace(identity(item, key), index++);
    return out;
  }

  Result<Value> primitives(const Value& current, const Value& patch, const Value& removed, const Value& order) {
    Positions gone = positions(removed, {}), patched = positions(patch, {}), placed = positions(order, {});
    std::vector<Value> known, others;
    for (const Value& item : patch.items()) known.push_back(item);
    for (const Value& item : current.items()) {
      std::string id = identity(item, {});
      if (gone.contains(id) || patched.contains(id)) continue;
      (placed.contains(id) ? known : others).push_back(item);
    }
    return ordered(known, others, order.is_null() ? patched : placed, positions(current, {}), {});
  }

  Result<Value> keyed(const Value& current, const Value& patch, const Value& order, const FieldRules& rules) {
    const Schema* element = rules.schema->element;
    Value base = current;
    std::vector<Value> changes;
    for (const Value& item : patch.items()) {
      if (!item.is_object()) return fail(Code::kInvalid, "invalid patch: the elements of a merged list are objects");
      if (item[kPatch].as_string() == "replace") {
        base = Value::array();
        if (item.size() == 1) continue;  // marks the list, and is no element
      }
      if (item[rules.key].is_null())
        return fail(Code::kInvalid, "map: ", codec::to_json(item), " does not contain declared merge key: ", rules.key);
      changes.push_back(item);
    }
    Positions before = positions(base, rules.key), placed = positions(order, rules.key), made;
    std::unordered_set<std::string> changed;
    std::vector<Value> known, others;
    for (const Value& change : changes) {
      std::string id = identity(change, rules.key);
      changed.insert(id);
      if (change[kPatch].as_string() == "delete") continue;
      auto earlier = made.find(id);
      auto old = before.find(id);
      const Value& target = earlier != made.end() ? known[earlier->second] : old != before.end() ? base.at(old->second) : kNothing;
      KOBUK_TRY(Value merged, object(target, change, element, rules.retain_keys));
      if (earlier != made.end()) {
        known[earlier->second] = merged;
        continue;
      }
      made.emplace(std::move(id), known.size());
      known.push_back(merged);
    }
    for (const Value& item : base.items()) {
      std::string id = identity(item, rules.key);
      if (!changed.contains(id)) (placed.contains(id) ? known : others).push_back(item);
    }
    return ordered(known, others, order.is_null() ? positions(patch, rules.key) : placed, before, rules.key);
  }

  // Elements that the patch knows stand in its order; the others are put before the first of those that stood behind
  // them before.
  Value ordered(const std::vector<Value>& known, const std::vector<Value>& others, const Positions& order,
                const Positions& current, std::string_view key) {
    struct Placed {
      size_t wanted, before, index;
    };
    auto place = [](const Positions& in, const std::string& id) {
      auto it = in.find(id);
      return it == in.end() ? SIZE_MAX : it->second;
    };
    std::vector<Placed> sorted;
    for (size_t i = 0; i < known.size(); ++i) {
      std::string id = identity(known[i], key);
      sorted.push_back({place(order, id), place(current, id), i});
    }
    std::sort(sorted.begin(), sorted.end(), [](const Placed& a, const Placed& b) {
      return a.wanted != b.wanted ? a.wanted < b.wanted : a.index < b.index;
    });
    Value out = Value::array();
    size_t at = 0;
    for (const Value& other : others) {
      size_t before = place(current, identity(other, key));
      while (at < sorted.size() && (sorted[at].before == SIZE_MAX || before >= sorted[at].before))
        out.push(arena_, known[sorted[at++].index]);
      out.push(arena_, other);
    }
    while (at < sorted.size()) out.push(arena_, known[sorted[at++].index]);
    return out;
  }

  Arena& arena_;
};

}  // namespace

Result<Value> apply_strategic_patch(const Value& target, const Value& patch, const Schema& schema, Arena& arena) {
  if (!patch.is_object()) return fail(Code::kInvalid, "json: cannot unmarshal ", codec::kind_name(patch.kind()),
                                      " into Go value of type map[string]interface {}");
  return Merger(arena).object(target, patch, &schema, true);
}

}  // namespace kobuk::api
