// kubectl's JSONPath (kubernetes.io/docs/reference/kubectl/jsonpath): the part of it that scripts use.
#include "app/kubectl/output.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

using codec::Value;

class Template {
 public:
  explicit Template(std::string_view text) : text_(text) {}

  // Prints up to the end of the text, or to {end} inside a range.
  Result<void> print(const Value& root, bool in_range, int depth, std::string& out) {
    if (depth > kMaxDepth) return fail(Code::kInvalid, "error parsing jsonpath: too many nested ranges");
    while (at_ < text_.size()) {
      size_t brace = text_.find('{', at_);
      out += text_.substr(at_, brace == text_.npos ? text_.npos : brace - at_);
      at_ = brace == text_.npos ? text_.size() : brace;
      if (at_ == text_.size()) break;
      KOBUK_TRY(std::string_view action, take_action());
      if (action == "end") {
        if (in_range) return {};
        return fail(Code::kInvalid, "error parsing jsonpath ", text_, ", not in range");
      }
      KOBUK_CHECK(action.starts_with("range ") ? print_range(trim(action.substr(6)), root, depth, out) : print_action(action, root, out));
    }
    if (in_range) return fail(Code::kInvalid, "error parsing jsonpath ", text_, ", unclosed range");
    return {};
  }

 private:
  static constexpr int kMaxDepth = 16;

  // What stands between the braces.
  Result<std::string_view> take_action() {
    char quote = 0;
    for (size_t i = at_ + 1; i < text_.size(); ++i) {
      if (quote != 0) {
        if (text_[i] == '\\') ++i;
        else if (text_[i] == quote) quote = 0;
      } else if (text_[i] == '"' || text_[i] == '\'') {
        quote = text_[i];
      } else if (text_[i] == '}') {
        std::string_view action = trim(text_.substr(at_ + 1, i - at_ - 1));
        at_ = i + 1;
        return action;
      }
    }
    return fail(Code::kInvalid, "error parsing jsonpath ", text_, ", unclosed action");
  }

  Result<void> print_range(std::string_view path, const Value& root, int depth, std::string& out) {
    KOBUK_TRY(auto values, select(path, root));
    size_t body = at_;
    if (values.empty()) {  // the body has to be passed all the same
      std::string dropped;
      return print(Value{}, true, depth + 1, dropped);
    }
    for (const Value* value : values) {
      at_ = body;
      KOBUK_CHECK(print(*value, true, depth + 1, out));
    }
    return {};
  }

  static Result<void> print_action(std::string_view action, const Value& root, std::string& out) {
    if (action.starts_with('"') && action.ends_with('"') && action.size() >= 2) {
      KOBUK_TRY(codec::Document literal, codec::parse_json(action));
      out += literal.root.as_string();
      return {};
    }
    KOBUK_TRY(auto values, select(action, root));
    for (size_t i = 0; i < values.size(); ++i) {
      if (i > 0) out += ' ';
      out += values[i]->is_string() ? std::string(values[i]->as_string()) : codec::to_json(*values[i]);
    }
    return {};
  }

  // Steps: .name, .name\.with\.dots, ['name'], [3], [-1], [*], .*
  static Result<std::vector<const Value*>> select(std::string_view path, const Value& root) {
    std::vector<const Value*> values = {&root};
    size_t i = path.starts_with('$') || path.starts_with('@') ? 1 : 0;
    while (i < path.size()) {
      std::string step;
      bool index = path[i] == '[';
      if (index) {
        size_t close = path.find(']', i);
        if (close == path.npos) return fail(Code::kInvalid, "error parsing jsonpath ", path, ", unterminated array");
        step = path.substr(i + 1, close - i - 1);
        i = close + 1;
      } else if (path[i] == '.') {
        for (++i; i < path.size() && path[i] != '.' && path[i] != '['; ++i) {
          if (path[i] == '\\' && i + 1 < path.size()) ++i;
          step += path[i];
        }
      } else {
        return fail(Code::kInvalid, "error parsing jsonpath {", path, "}: only .name, ['name'], [number] and [*] are known here");
      }
      KOBUK_CHECK(take_step(step, index, values));
    }
    return values;
  }

  static Result<void> take_step(std::string_view step, bool index, std::vector<const Value*>& values) {
    std::vector<const Value*> next;
    bool quoted = index && step.size() >= 2 && (step.front() == '\'' || step.front() == '"');
    if (quoted) step = step.substr(1, step.size() - 2);
    auto number = index && !quoted ? parse_int(step) : std::nullopt;
    if (index && !quoted && step != "*" && !number) {
      return fail(Code::kInvalid, "error parsing jsonpath: [", step, "] is not known here; only ['name'], [number] and [*]");
    }
    for (const Value* value : values) {
      if (step == "*" && !quoted) {
        for (const Value& item : value->items()) next.push_back(&item);
        for (const codec::Member& member : value->members()) next.push_back(&member.value);
      } else if (number) {
        auto size = static_cast<int64_t>(value->size());
        int64_t at = *number < 0 ? *number + size : *number;
        if (value->is_array() && at >= 0 && at < size) next.push_back(&value->at(static_cast<size_t>(at)));
      } else if (step.empty()) {
        next.push_back(value);
      } else if (const Value* found = value->find(step)) {
        next.push_back(found);
      }
    }
    values = std::move(next);
    return {};
  }

  std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<std::string> format_jsonpath(std::string_view text, const Value& root) {
  std::string out;
  KOBUK_CHECK(Template(text).print(root, false, 0, out));
  return out;
}

}  // namespace kobuk::app::kubectl
