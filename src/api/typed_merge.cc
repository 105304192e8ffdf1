// Structured merge by schema (KEP-555; sigs.k8s.io/structured-merge-diff typed values).
#include "api/typed_merge.h"

#include <algorithm>
#include <unordered_map>

#include "api/member_table.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

const Value kNull{};

bool is_atomic(const Schema& schema) {
  switch (schema.type) {
    case Type::kObject:
    case Type::kMap: return schema.atomic;
    case Type::kArray: return schema.list == ListType::kAtomic;
    default: return true;
  }
}

// A value that is one field as a whole: scalars, atomic ones, and what does not have the form that its schema says.
bool is_leaf(const Value& value, const Schema& schema) {
  if (is_atomic(schema)) return true;
  return schema.type == Type::kArray ? !value.is_array() : !value.is_object();
}

// The schema of a member; nullptr when it has none (free-form members of an object are leaves).
const Schema* member_schema(const Schema& schema, std::string_view key) {
  if (schema.type == Type::kMap) return schema.element;
  const Field* field = schema.find(key);
  return field ? field->schema : nullptr;
}

const Schema& schema_or_any(const Schema* schema) {
  static constexpr Schema kAnySchema{};
  return schema ? *schema : kAnySchema;
}

std::string field_element(std::string_view name) { return cat("f:", name); }

// "k:{…}" with the keys in alphabetical order, "v:…"; an absent key counts with its default. Empty: no identity.
std::string list_element(const Value& item, const Schema& list) {
  if (list.list == ListType::kSet) return cat("v:", codec::to_json(item));
  if (!item.is_object()) return {};
  std::vector<std::string_view> keys(list.list_keys.begin(), list.list_keys.end());
  std::sort(keys.begin(), keys.end());
  std::string out = "k:{";
  bool any = false;
  for (auto key : keys) {
    std::string json;
    if (const Value* value = item.find(key); value && !value->is_null()) json = codec::to_json(*value);
    else if (const Field* field = list.element->find(key); field && !field->default_json.empty()) json = field->default_json;
    else continue;
    cat_to(out, any ? "," : "", "\"", key, "\":", json);
    any = true;
  }
  return any ? out + "}" : std::string();
}

Result<void> collect(const Value& value, const Schema& schema, FieldSet& out) {
  if (is_leaf(value, schema) || value.empty()) {
    out.set_member();
    return {};
  }
  if (schema.type == Type::kArray) {
    for (const Value& item : value.items()) {
      std::string element = list_element(item, schema);
      if (element.empty())
        return fail(Code::kInvalid, "associative list with keys has an element that omits key field ",
                    schema.list_keys.empty() ? "" : go_quote(schema.list_keys.front()));
      if (out.below(element)) return fail(Code::kInvalid, "duplicate entries for key ", path_text({element}));
      FieldSet& child = out.make_below(element);
      child.set_member();
      if (schema.list == ListType::kMap) KOBUK_CHECK(collect(item, *schema.element, child));
    }
    return {};
  }
  for (const auto& member : value.members()) {
    FieldSet& child = out.make_below(field_element(member.key));
    KOBUK_CHECK(collect(member.value, schema_or_any(member_schema(schema, member.key)), child));
  }
  return {};
}

class Comparer {
 public:
  explicit Comparer(Difference& out) : out_(out) {}

  // `before` or `after` is null when absent.
  void value(const Value& before, const Value& after, const Schema& schema) {
    if (before.is_null() && after.is_null()) return;
    bool leaf = is_leaf(before.is_null() ? after : before, schema) || is_leaf(after.is_null() ? before : after, schema);
    if (before.is_null()) out_.added.insert(path_);
    else if (after.is_null()) out_.removed.insert(path_);
    if (leaf) {
      if (!before.is_null() && !after.is_null() && !(before == after)) out_.modified.insert(path_);
      return;
    }
    if (schema.type == Type::kArray) list(before, after, schema);
    else object(before, after, schema);
  }

 private:
  void below(std::string element, const Value& before, const Value& after, const Schema& schema) {
    path_.push_back(std::move(element));
    value(before, after, schema);
    path_.pop_back();
  }

  void object(const Value& before, const Value& after, const Schema& schema) {
    MemberTable was(before), is(after);
    for (const auto& member : after.members()) {
      const Value& old = was[member.key];
      const Field* field = schema.type == Type::kObject ? schema.find(member.key) : nullptr;
      bool plain = field && !field->presence && (field->schema->type == Type::kObject || field->always);
      // What an empty object of the API would have too was not added as such, only what it holds.
      if (plain && old.is_null() && !is_leaf(member.value, *field->schema) && !member.value.empty()) {
        path_.push_back(field_element(member.key));
        field->schema->type == Type::kArray ? list(kNull, member.value, *field->schema)
                                            : object(kNull, member.value, *field->schema);
        path_.pop_back();
        continue;
      }
      below(field_element(member.key), old, member.value, schema_or_any(member_schema(schema, member.key)));
    }
    for (const auto& member : before.members())
      if (is[member.key].is_null())
        below(field_element(member.key), member.value, kNull, schema_or_any(member_schema(schema, member.key)));
  }

  void list(const Value& before, const Value& after, const Schema& schema) {
    std::unordered_map<std::string, const Value*> old;
    for (const Value& item : before.items()) old.try_emplace(list_element(item, schema), &item);
    for (const Value& item : after.items()) {
      std::string element = list_element(item, schema);
      auto it = old.find(element);
      const Value* was = it == old.end() ? &kNull : it->second;
      if (it != old.end()) old.erase(it);
      if (!element.empty()) below(element, *was, item, *schema.element);
    }
    for (const auto& [element, item] : old)
      if (!element.empty()) below(element, *item, kNull, *schema.element);
  }

  Difference& out_;
  FieldPath path_;
};

class TypedMerger {
 public:
  explicit TypedMerger(Arena& arena) : arena_(arena) {}

  Value merge(const Value& base, const Value& patch, const Schema& schema) {
    if (base.is_null() || is_leaf(patch, schema) || is_leaf(base, schema)) return patch;
    return schema.type == Type::kArray ? list(base, patch, schema) : object(base, patch, schema);
  }

  Value remove(const Value& value, const FieldSet& fields, const FieldSet& keep, const Schema& schema) {
    return filter(value, schema, [&](const Value& part, std::string_view element, const Schema& inner) {
      const FieldSet* gone = fields.below(element);
      const FieldSet* kept = keep.below(element);
      if (!gone) return part;
      if (gone->is_member() && !kept) return Value();
      if (is_leaf(part, inner)) return gone->is_member() ? Value() : part;
      if (gone->is_member()) return with_keys(extract(part, *kept, inner), part, schema);
      return none_if_empty(remove(part, *gone, kept ? *kept : kNoFields, inner));
    });
  }

 private:
  static inline const FieldSet kNoFields;
  static Value none_if_empty(const Value& value) { return value.empty() ? Value() : value; }

  // A copy of what `choose(part, element, schema)` makes of each part; null parts are left out.
  template <class Choose>
  Value filter(const Value& value, const Schema& schema, Choose choose) {
    if (is_leaf(value, schema)) return value;
    if (schema.type == Type::kArray) {
      Value out = Value::array();
      for (const Value& item : value.items())
        if (Value part = choose(item, list_element(item, schema), *schema.element); !part.is_null()) out.push(arena_, part);
      return out;
    }
    Value out = Value::object();
    for (const auto& member : value.members()) {
      const Schema& inner = schema_or_any(member_schema(schema, member.key));
      if (Value part = choose(member.value, field_element(member.key), inner); !part.is_null())
        out.add_unchecked(arena_, member.key, part);
    }
    return out;
  }

  // Only what is in `keep`, and the keys of list elements.
  Value extract(const Value& value, const FieldSet& keep, const Schema& schema) {
    return filter(value, schema, [&](const Value& part, std::string_view element, const Schema& inner) {
      const FieldSet* kept = keep.below(element);
      if (!kept) return Value();
      if (is_leaf(part, inner)) return part;
      return with_keys(extract(part, *kept, inner), part, schema);
    });
  }

  // An element of a keyed list keeps what names it.
  Value with_keys(Value rest, const Value& whole, const Schema& list) {
    for (auto key : list.list_keys)
      if (const Value* own = whole.find(key); own && !rest.find(key)) rest.set(arena_, key, *own);
    return rest;
  }

  Value object(const Value& base, const Value& patch, const Schema& schema) {
    Value out = Value::object();
    MemberTable changes(patch), there(base);
    for (const auto& member : base.members()) {
      const Value* change = changes.find(member.key);
      const Schema& inner = schema_or_any(member_schema(schema, member.key));
      out.add_unchecked(arena_, member.key, change == nullptr ? member.value : merge(member.value, *change, inner));
    }
    for (const auto& member : patch.members())
      if (there.find(member.key) == nullptr) out.add_unchecked(arena_, member.key, member.value);
    return out;
  }

  // The patch's order rules; what only the base has stays before what it stood before.
  Value list(const Value& base, const Value& patch, const Schema& schema) {
    std::unordered_map<std::string, size_t> in_base, in_patch;
    size_t index = 0;
    for (const Value& item : base.items()) in_base.try_emplace(list_element(item, schema), index++);
    index = 0;
    for (const Value& item : patch.items()) in_patch.try_emplace(list_element(item, schema), index++);
    Value out = Value::array();
    size_t at = 0;
    auto flush = [&](size_t end) {  // elements of the base alone, up to `end`
      for (; at < end; ++at)
        if (!in_patch.contains(list_element(base.at(at), schema))) out.push(arena_, base.at(at));
    };
    for (const Value& item : patch.items()) {
      auto it = in_base.find(list_element(item, schema));
      if (it == in_base.end()) {
        out.push(arena_, item);
        continue;
      }
      if (it->second >= at) flush(it->second), at = it->second + 1;
      out.push(arena_, merge(base.at(it->second), item, *schema.element));
    }
    flush(base.size());
    return out;
  }

  Arena& arena_;
};

}  // namespace

Result<FieldSet> fields_of(const Value& value, const Schema& schema) {
  FieldSet out;
  KOBUK_CHECK(collect(value, schema, out));
  return out;
}

Difference compare(const Value& before, const Value& after, const Schema& schema) {
  Difference out;
  Comparer(out).value(before.is_null() ? Value::object() : before, after.is_null() ? Value::object() : after, schema);
  return out;
}

Value merge_typed(const Value& base, const Value& patch, const Schema& schema, Arena& arena) {
  return TypedMerger(arena).merge(base, patch, schema);
}

Value remove_fields(const Value& value, const FieldSet& fields, const FieldSet& keep, const Schema& schema, Arena& arena) {
  return TypedMerger(arena).remove(value, fields, keep, schema);
}

}  // namespace kobuk::api
