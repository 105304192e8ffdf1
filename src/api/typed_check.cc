// Validation of typed values (sigs.k8s.io/structured-merge-diff typed/validate.go and helpers.go); fmt's %v and %#v.
#include "api/typed_check.h"

#include <algorithm>
#include <set>
#include <vector>

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Kind;
using codec::Value;

constexpr size_t kMaxErrors = 100;

std::vector<const codec::Member*> sorted(const Value& object) {
  std::vector<const codec::Member*> out;
  for (const auto& member : object.members()) out.push_back(&member);
  std::ranges::sort(out, {}, [](const codec::Member* member) { return member->key; });
  return out;
}

// %#v: []interface {}{1, "a"}
std::string go_syntax(const Value& value) {
  if (value.is_null()) return "interface {}(nil)";
  if (value.is_string()) return go_quote(value.as_string());
  std::vector<std::string> parts;
  if (value.is_array()) {
    for (const Value& item : value.items()) parts.push_back(go_syntax(item));
    return cat("[]interface {}{", join(parts, ", "), "}");
  }
  if (!value.is_object()) return codec::to_json(value);
  for (const auto* member : sorted(value)) parts.push_back(cat(go_quote(member->key), ":", go_syntax(member->value)));
  return cat("map[string]interface {}{", join(parts, ", "), "}");
}

std::string_view go_type(const Value& value) {
  switch (value.kind()) {
    case Kind::kNull: return "<nil>";
    case Kind::kBool: return "bool";
    case Kind::kInt: return "int64";
    case Kind::kDouble: return "float64";
    case Kind::kString: return "string";
    case Kind::kArray: return "[]interface {}";
    case Kind::kObject: return "map[string]interface {}";
  }
  return {};
}

class Checker {
 public:
  void value(const Value& v, const Schema& schema, const std::string& path) {
    if (v.is_null() || errors_.size() >= kMaxErrors) return;
    switch (schema.type) {
      case Type::kObject:
      case Type::kMap:
        if (!v.is_object()) return add(path, cat("expected map, got &{", go_text(v), "}"));
        return members(v, schema, path);
      case Type::kArray:
        if (!v.is_array()) return add(path, cat("expected list, got &{", go_text(v), "}"));
        return items(v, schema, path);
      case Type::kString:
      case Type::kBytes:
        if (!v.is_string()) add(path, cat("expected string, got &value.valueUnstructured{Value:", go_syntax(v), "}"));
        return;
      case Type::kBool:
        if (!v.is_bool()) add(path, cat("expected boolean, got &{", go_text(v), "}"));
        return;
      case Type::kInt32:
      case Type::kInt64:
      case Type::kDouble:
        if (!v.is_number()) add(path, cat("expected numeric (int or float), got ", go_type(v)));
        return;
      default: return;
    }
  }
  std::string text() const {
    if (errors_.size() == 1) return errors_[0];
    return errors_.empty() ? "" : cat("errors:\n  ", join(errors_, "\n  "));
  }

 private:
  void add(const std::string& path, std::string_view message) { errors_.push_back(path.empty() ? std::string(message) : cat(path, ": ", message)); }

  void members(const Value& v, const Schema& schema, const std::string& path) {
    for (const auto& member : v.members()) {
      std::string at = cat(path, ".", member.key);
      if (schema.type == Type::kMap) {
        value(member.value, *schema.element, at);
        continue;
      }
      bool type_meta = schema.has_type_meta && (member.key == "apiVersion" || member.key == "kind");
      if (const Field* field = schema.find(member.key)) value(member.value, *field->schema, at);
      else if (!type_meta && !schema.preserve_unknown) return add(at, "field not declared in schema");
    }
  }

  void items(const Value& v, const Schema& schema, const std::string& path) {
    std::set<std::string> seen;
    size_t index = 0;
    for (const Value& item : v.items()) {
      std::string element = cat("[", index, "]"), wrong;
      if (schema.list == ListType::kMap) element = keys_of(item, schema, wrong);
      if (schema.list == ListType::kSet) element = member_of_set(item, wrong);
      if (!wrong.empty()) return add(path, cat("element ", index, ": ", wrong));
      if (schema.list != ListType::kAtomic && !seen.insert(element).second) add(path, cat("duplicate entries for key ", element));
      value(item, *schema.element, cat(path, element));
      ++index;
    }
  }

  // `[containerPort=80,protocol="TCP"]`
  static std::string keys_of(const Value& item, const Schema& list, std::string& wrong) {
    if (!item.is_object()) {
      wrong = item.is_null() ? "associative list with keys may not have a null element" : "associative list with keys may not have non-map elements";
      return {};
    }
    std::vector<std::string> keys;
    for (std::string_view key : list.list_keys) {
      const Value* own = item.find(key);
      const Field* field = own == nullptr ? list.element->find(key) : nullptr;
      if (own != nullptr) {
        keys.push_back(cat(key, "=", own->is_string() ? go_quote(own->as_string()) : codec::to_json(*own)));
      } else if (field != nullptr && !field->default_json.empty()) {
        keys.push_back(cat(key, "=", field->default_json));
      } else {
        wrong = cat("associative list with keys has an element that omits key field ", go_quote(key), " (and doesn't have default value)");
        return {};
      }
    }
    std::ranges::sort(keys);
    return cat("[", join(keys, ","), "]");
  }

  static std::string member_of_set(const Value& item, std::string& wrong) {
    if (item.is_object()) wrong = "associative list without keys has an element that's a map type";
    if (item.is_array()) wrong = "not supported: associative list with lists as elements";
    if (item.is_null()) wrong = "associative list without keys has an element that's an explicit null";
    return cat("[=", item.is_string() ? go_quote(item.as_string()) : codec::to_json(item), "]");
  }

  std::vector<std::string> errors_;
};

}  // namespace

std::string go_text(const Value& value) {
  if (value.is_null()) return "<nil>";
  if (value.is_string()) return std::string(value.as_string());
  std::vector<std::string> parts;
  if (value.is_array()) {
    for (const Value& item : value.items()) parts.push_back(go_text(item));
    return cat("[", join(parts, " "), "]");
  }
  if (!value.is_object()) return codec::to_json(value);
  for (const auto* member : sorted(value)) parts.push_back(cat(member->key, ":", go_text(member->value)));
  return cat("map[", join(parts, " "), "]");
}

std::string check_typed(const Value& value, const Schema& schema) {
  Checker checker;
  checker.value(value, schema, {});
  return checker.text();
}

}  // namespace kobuk::api
