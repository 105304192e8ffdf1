// FieldsV1 (meta/v1 documentation; sigs.k8s.io/structured-merge-diff fieldpath serialisation).
#include "api/field_set.h"

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {

using codec::Arena;
using codec::Value;

FieldSet& FieldSet::make_below(std::string_view element) {
  auto it = children_.find(element);
  if (it == children_.end()) it = children_.emplace(std::string(element), FieldSet()).first;
  return it->second;
}

const FieldSet* FieldSet::below(std::string_view element) const {
  auto it = children_.find(element);
  return it == children_.end() ? nullptr : &it->second;
}

void FieldSet::insert(const FieldPath& path) {
  FieldSet* at = this;
  for (const auto& element : path) at = &at->make_below(element);
  at->member_ = true;
}

bool FieldSet::contains(const FieldPath& path) const {
  const FieldSet* at = this;
  for (const auto& element : path)
    if (!(at = at->below(element))) return false;
  return at->member_;
}

void FieldSet::prune() {
  std::erase_if(children_, [](const auto& child) { return child.second.empty(); });
}

FieldSet FieldSet::united(const FieldSet& other) const {
  FieldSet out = *this;
  out.member_ = member_ || other.member_;
  for (const auto& [element, child] : other.children_) {
    FieldSet& mine = out.make_below(element);
    mine = mine.united(child);
  }
  return out;
}

FieldSet FieldSet::intersected(const FieldSet& other) const {
  FieldSet out;
  out.member_ = member_ && other.member_;
  for (const auto& [element, child] : children_)
    if (const FieldSet* theirs = other.below(element)) out.children_.emplace(element, child.intersected(*theirs));
  out.prune();
  return out;
}

FieldSet FieldSet::without(const FieldSet& other) const {
  FieldSet out;
  out.member_ = member_ && !other.member_;
  for (const auto& [element, child] : children_) {
    const FieldSet* theirs = other.below(element);
    out.children_.emplace(element, theirs ? child.without(*theirs) : child);
  }
  out.prune();
  return out;
}

FieldSet FieldSet::without_subtrees(const FieldSet& other) const {
  if (other.member_) return {};
  FieldSet out;
  out.member_ = member_;
  for (const auto& [element, child] : children_) {
    const FieldSet* theirs = other.below(element);
    out.children_.emplace(element, theirs ? child.without_subtrees(*theirs) : child);
  }
  out.prune();
  return out;
}

void FieldSet::visit(FieldPath& path, const std::function<void(const FieldPath&)>& visit) const {
  if (member_) visit(path);
  for (const auto& [element, child] : children_) {
    path.push_back(element);
    child.visit(path, visit);
    path.pop_back();
  }
}

void FieldSet::each(const std::function<void(const FieldPath&)>& visit) const {
  FieldPath path;
  this->visit(path, visit);
}

Result<FieldSet> FieldSet::from_json(const Value& fields) {
  FieldSet out;
  if (!fields.is_object()) return fail(Code::kInvalid, "the fields of a manager are no object");
  for (const auto& member : fields.members()) {
    if (member.key == ".") {
      out.member_ = true;
      continue;
    }
    bool known = member.key.size() > 2 && member.key[1] == ':' && std::string_view("fkvi").find(member.key[0]) != std::string_view::npos;
    if (!known && member.key != "f:") return fail(Code::kInvalid, "unknown path element ", go_quote(member.key));
    KOBUK_TRY(FieldSet child, from_json(member.value));
    if (member.value.empty()) child.member_ = true;
    out.children_.emplace(std::string(member.key), std::move(child));
  }
  return out;
}

Value FieldSet::to_json(Arena& arena) const {
  Value out = Value::object();
  if (member_ && !children_.empty()) out.add_unchecked(arena, ".", Value::object());
  for (const auto& [element, child] : children_) out.add_unchecked(arena, arena.copy(element), child.to_json(arena));
  return out;
}

namespace {

void append_keys(std::string& out, std::string_view json) {
  Arena arena;
  auto keys = codec::parse_json(json, arena);
  out += '[';
  bool first = true;
  if (keys)
    for (const auto& member : keys->members()) {
      cat_to(out, first ? "" : ",", member.key, "=", codec::to_json(member.value));
      first = false;
    }
  out += ']';
}

}  // namespace

std::string path_text(const FieldPath& path) {
  std::string out;
  for (const auto& element : path) {
    std::string_view body = std::string_view(element).substr(2);
    switch (element[0]) {
      case 'f': cat_to(out, ".", body); break;
      case 'k': append_keys(out, body); break;
      case 'v': cat_to(out, "[=", body, "]"); break;
      default: cat_to(out, "[", body, "]");
    }
  }
  return out;
}

}  // namespace kobuk::api
