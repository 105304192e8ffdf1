// RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer), RFC 7386 (JSON Merge Patch).
#include "api/patch.h"

#include <optional>

#include "api/member_table.h"
#include "base/strings.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

// "~1" is '/', "~0" is '~'; nullopt for a lone '~'.
std::optional<std::string> unescape(std::string_view token) {
  std::string out;
  for (size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      out.push_back(token[i]);
      continue;
    }
    if (++i == token.size() || (token[i] != '0' && token[i] != '1')) return std::nullopt;
    out.push_back(token[i] == '0' ? '~' : '/');
  }
  return out;
}

Result<std::vector<std::string>> parse_pointer(std::string_view pointer) {
  std::vector<std::string> tokens;
  if (pointer.empty()) return tokens;
  if (pointer[0] != '/') return fail(Code::kInvalid, "jsonpatch path must start with '/': ", go_quote(pointer));
  for (std::string_view part : split(pointer.substr(1), '/')) {
    auto token = unescape(part);
    if (!token) return fail(Code::kInvalid, "jsonpatch path has a lone '~': ", go_quote(pointer));
    tokens.push_back(std::move(*token));
  }
  if (pointer == "/") tokens.emplace_back();
  return tokens;
}

// An index into an array of `size`: decimal without leading zeros; "-" is the end where `may_append`.
Result<size_t> parse_index(std::string_view token, size_t size, bool may_append) {
  if (may_append && token == "-") return size;
  auto index = parse_uint(token);
  bool leading_zero = token.size() > 1 && token[0] == '0';
  if (!index || leading_zero) return fail(Code::kInvalid, "unable to use ", go_quote(token), " as an array index");
  if (*index >= size + (may_append ? 1 : 0)) {
    return fail(Code::kInvalid, "Unable to access invalid index: ", *index, ": invalid index referenced");
  }
  return static_cast<size_t>(*index);
}

Result<Value*> step(Value& at, const std::string& token) {
  if (at.is_array()) {
    KOBUK_TRY(size_t index, parse_index(token, at.size(), false));
    return &at.items()[index];
  }
  Value* found = at.find(token);
  if (found == nullptr) return fail(Code::kNotFound, "missing path");
  return found;
}

// Looks no deeper than `limit` itself.
bool deeper_than(const Value& value, size_t limit) {
  if (!value.is_array() && !value.is_object()) return false;
  if (limit == 0) return true;
  for (const Value& item : value.items())
    if (deeper_than(item, limit - 1)) return true;
  for (const codec::Member& member : value.members())
    if (deeper_than(member.value, limit - 1)) return true;
  return false;
}

class JsonPatch {
 public:
  JsonPatch(Value& target, Arena& arena, const PatchLimits& limits) : target_(target), arena_(arena), limits_(limits) {}

  Result<void> apply(const Value& operation) {
    std::string_view op = operation["op"].as_string();
    const Value* path = operation.find("path");
    if (path == nullptr || !path->is_string()) return fail(Code::kInvalid, "jsonpatch ", op, " operation has no path");
    auto done = apply_one(op, path->as_string(), operation);
    if (done) return done;
    return fail(std::move(done).error().with_code(Code::kInvalid).context("jsonpatch ", op, " operation does not apply: doc is missing path or has another shape: ", path->as_string()));
  }

 private:
  Result<void> apply_one(std::string_view op, std::string_view path, const Value& operation) {
    if (op == "remove") return remove(path);
    if (op == "add" || op == "replace" || op == "test") {
      const Value* value = operation.find("value");
      if (value == nullptr) return fail(Code::kInvalid, "the operation has no value");
      if (op == "test") return test(path, *value);
      if (op == "add") return add(path, value->clone(arena_));
      KOBUK_TRY(auto tokens, parse_pointer(path));
      KOBUK_CHECK(check_depth(tokens, *value));
      KOBUK_TRY(Value * found, find(path));
      *found = value->clone(arena_);
      return {};
    }
    if (op == "move" || op == "copy") return transfer(op == "move", operation["from"].as_string(), path);
    return fail(Code::kInvalid, "Unexpected kind: ", op);
  }

  Result<Value*> find(std::string_view pointer) {
    KOBUK_TRY(auto tokens, parse_pointer(pointer));
    Value* at = &target_;
    for (const std::string& token : tokens) {
      KOBUK_TRY(at, step(*at, token));
    }
    return at;
  }

  Result<Value*> find_parent(const std::vector<std::string>& tokens) {
    Value* at = &target_;
    for (size_t i = 0; i + 1 < tokens.size(); ++i) {
      KOBUK_TRY(at, step(*at, tokens[i]));
    }
    if (!at->is_array() && !at->is_object()) return fail(Code::kInvalid, "the parent is neither object nor array");
    return at;
  }

  Result<void> check_depth(const std::vector<std::string>& tokens, const Value& value) const {
    if (tokens.size() <= limits_.max_depth && !deeper_than(value, limits_.max_depth - tokens.size())) return {};
    return fail(Code::kTooLarge, "the patch nests deeper than ", limits_.max_depth, " levels");
  }

  Result<void> add(std::string_view pointer, Value value) {
    KOBUK_TRY(auto tokens, parse_pointer(pointer));
    KOBUK_CHECK(check_depth(tokens, value));
    if (tokens.empty()) {
      target_ = value;
      return {};
    }
    KOBUK_TRY(Value * parent, find_parent(tokens));
    if (parent->is_object()) {
      parent->set(arena_, tokens.back(), value);
      return {};
    }
    KOBUK_TRY(size_t index, parse_index(tokens.back(), parent->size(), true));
    parent->insert(arena_, index, value);
    return {};
  }

  Result<void> remove(std::string_view pointer) {
    KOBUK_TRY(auto tokens, parse_pointer(pointer));
    if (tokens.empty()) return fail(Code::kInvalid, "the whole document can't be removed");
    KOBUK_TRY(Value * parent, find_parent(tokens));
    if (parent->is_object()) {
      if (!parent->erase(tokens.back())) return fail(Code::kNotFound, "Unable to remove nonexistent key: ", tokens.back());
      return {};
    }
    KOBUK_TRY(size_t index, parse_index(tokens.back(), parent->size(), false));
    parent->erase_at(index);
    return {};
  }

  Result<void> test(std::string_view pointer, const Value& expected) {
    auto found = find(pointer);
    // A path that is absent tests equal to null, as upstream's library has it.
    bool equal = found ? **found == expected : found.error().code() == Code::kNotFound && expected.is_null();
    if (!equal) return fail(Code::kInvalid, "testing value ", pointer, " failed");
    return {};
  }

  Result<void> transfer(bool move, std::string_view from, std::string_view to) {
    if (move && to.starts_with(from) && to.size() > from.size() && to[from.size()] == '/') {
      return fail(Code::kInvalid, "a value can't be moved into itself");
    }
    KOBUK_TRY(Value * source, find(from));
    if (move) {
      Value value = *source;  // leaves its place, so nothing is shared
      KOBUK_CHECK(remove(from));
      return add(to, value);
    }
    size_t before = arena_.used();
    Value value = source->clone(arena_);
    copied_ += arena_.used() - before;
    if (copied_ > limits_.max_copy_bytes) {
      return fail(Code::kTooLarge, "the copy operations of the patch add more than ", limits_.max_copy_bytes, " bytes");
    }
    return add(to, value);
  }

  Value& target_;
  Arena& arena_;
  const PatchLimits& limits_;
  size_t copied_ = 0;
};

}  // namespace

Result<void> apply_json_patch(Value& target, const Value& operations, Arena& arena, const PatchLimits& limits) {
  if (!operations.is_array()) return fail(Code::kInvalid, "a JSON patch is an array of operations");
  if (operations.size() > limits.max_operations) {
    return fail(Code::kTooLarge, "The allowed maximum operations in a JSON patch is ", limits.max_operations, ", got ", operations.size());
  }
  JsonPatch patch(target, arena, limits);
  for (const Value& operation : operations.items()) KOBUK_CHECK(patch.apply(operation));
  return {};
}

Value apply_merge_patch(const Value& target, const Value& patch, Arena& arena) {
  if (!patch.is_object()) return patch.clone(arena);
  MemberTable changes(patch);
  Value out = Value::object(arena, target.members().size());
  for (const codec::Member& member : target.members()) {
    const Value* change = changes.find(member.key);
    if (change != nullptr && change->is_null()) continue;
    Value kept = change == nullptr ? member.value.clone(arena) : apply_merge_patch(member.value, *change, arena);
    out.add_unchecked(arena, arena.copy(member.key), kept);
  }
  MemberTable there(target);
  for (const codec::Member& member : patch.members()) {
    if (member.value.is_null() || there.find(member.key) != nullptr) continue;
    Value added = apply_merge_patch(Value(), member.value, arena);
    out.add_unchecked(arena, arena.copy(member.key), added);
  }
  return out;
}

Value make_merge_patch(const Value& from, const Value& to, Arena& arena) {
  if (!from.is_object() || !to.is_object()) return to.clone(arena);
  Value out = Value::object();
  MemberTable before(from), after(to);
  for (const codec::Member& member : from.members()) {
    if (after.find(member.key) == nullptr) out.add_unchecked(arena, arena.copy(member.key), Value());
  }
  for (const codec::Member& member : to.members()) {
    const Value* old = before.find(member.key);
    if (old != nullptr && *old == member.value) continue;
    Value change = old == nullptr ? member.value.clone(arena) : make_merge_patch(*old, member.value, arena);
    out.add_unchecked(arena, arena.copy(member.key), change);
  }
  return out;
}

}  // namespace kobuk::api
