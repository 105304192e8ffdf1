// Grammar: k8s.io/apimachinery/pkg/labels "Parse" and pkg/fields "ParseSelector".
#include "api/selector.h"

#include <algorithm>
#include <optional>

namespace kobuk::api {
namespace {

constexpr size_t kMaxSelectorBytes = 64 << 10;

bool alphanumeric(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

bool is_name(std::string_view text) {
  if (text.empty() || !alphanumeric(text.front()) || !alphanumeric(text.back())) return false;
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

bool is_dns_subdomain(std::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  for (std::string_view label : split(text, '.')) {
    if (label.empty() || label.front() == '-' || label.back() == '-') return false;
    for (char c : label) {
      if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'z') && c != '-') return false;
    }
  }
  return true;
}

// Words (keys, values, "in"), and the symbols ( ) , ! = == != < >.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) { advance(); }
  std::string_view now() const { return now_; }
  bool at_end() const { return now_.empty(); }
  bool word() const { return !now_.empty() && std::string_view("(),!=<>").find(now_[0]) == std::string_view::npos; }
  std::string_view take() {
    std::string_view taken = now_;
    advance();
    return taken;
  }
  bool take_if(std::string_view token) {
    if (now_ != token) return false;
    advance();
    return true;
  }

 private:
  void advance() {
    constexpr std::string_view kBlanks = " \t\r\n", kStops = " \t\r\n(),!=<>";
    size_t start = text_.find_first_not_of(kBlanks);
    if (start == std::string_view::npos) {
      now_ = text_ = {};
      return;
    }
    text_.remove_prefix(start);
    size_t length = text_.find_first_of(kStops);
    if (length == 0) length = text_.starts_with("==") || text_.starts_with("!=") ? 2 : 1;
    now_ = text_.substr(0, length);
    text_.remove_prefix(now_.size());
  }
  std::string_view text_, now_;
};

std::unexpected<Error> unexpected_token(std::string_view found, std::string_view expected) {
  return fail(Code::kInvalid, "unable to parse requirement: found '", found, "', expected: ", expected);
}

Result<std::vector<std::string>> parse_set(Tokens& tokens) {
  if (!tokens.take_if("(")) return unexpected_token(tokens.now(), "'('");
  std::vector<std::string> values;
  // "(a,)" and "()" hold an empty value, as upstream has it.
  while (true) {
    values.emplace_back(tokens.word() ? tokens.take() : std::string_view());
    if (tokens.take_if(")")) break;
    if (!tokens.take_if(",")) return unexpected_token(tokens.now(), "',', or ')'");
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

Result<void> check(const Requirement& requirement) {
  if (auto breach = label_key_breach(requirement.key); !breach.empty()) {
    return fail(Code::kInvalid, "unable to parse requirement: <nil>: Invalid value: ", go_quote(requirement.key), ": ", breach);
  }
  using Op = Requirement::Op;
  if (requirement.op == Op::kGreater || requirement.op == Op::kLess) {
    if (!parse_int(requirement.values.at(0))) {
      return fail(Code::kInvalid, "values[0][", requirement.key, "]: Invalid value: ", go_quote(requirement.values[0]),
                  ": for 'Gt', 'Lt' operators, the value must be an integer");
    }
  }
  for (const std::string& value : requirement.values) {
    if (auto breach = label_value_breach(value); !breach.empty()) {
      return fail(Code::kInvalid, "unable to parse requirement: values[0][", requirement.key,
                  "]: Invalid value: ", go_quote(value), ": ", breach);
    }
  }
  return {};
}

Result<Requirement> parse_requirement(Tokens& tokens) {
  using Op = Requirement::Op;
  Requirement out;
  bool negated = tokens.take_if("!");
  if (!tokens.word()) return unexpected_token(tokens.now(), "identifier");
  out.key = tokens.take();
  if (negated || tokens.at_end() || tokens.now() == ",") {
    out.op = negated ? Op::kDoesNotExist : Op::kExists;
    return out;
  }
  std::string_view op = tokens.take();
  if (op == "in" || op == "notin") {
    out.op = op == "in" ? Op::kIn : Op::kNotIn;
    KOBUK_TRY(out.values, parse_set(tokens));
    return out;
  }
  if (op == "=" || op == "==") {
    out.op = Op::kIn;
  } else if (op == "!=") {
    out.op = Op::kNotIn;
  } else if (op == ">" || op == "<") {
    out.op = op == ">" ? Op::kGreater : Op::kLess;
  } else {
    return unexpected_token(op, "in, notin, =, ==, !=, gt, lt");
  }
  out.values.emplace_back(tokens.word() ? tokens.take() : std::string_view());
  return out;
}

// `found`: the label's value, nothing when it is absent.
bool holds(const Requirement& requirement, std::optional<std::string_view> found) {
  using Op = Requirement::Op;
  bool listed = found && std::find(requirement.values.begin(), requirement.values.end(), *found) != requirement.values.end();
  switch (requirement.op) {
    case Op::kIn: return listed;
    case Op::kNotIn: return !listed;
    case Op::kExists: return found.has_value();
    case Op::kDoesNotExist: return !found;
    case Op::kGreater:
    case Op::kLess: break;
  }
  auto actual = found ? parse_int(*found) : std::nullopt;
  auto bound = requirement.values.empty() ? std::nullopt : parse_int(requirement.values[0]);
  if (!actual || !bound) return false;
  return requirement.op == Op::kGreater ? *actual > *bound : *actual < *bound;
}

std::string requirement_text(const Requirement& r) {
  using Op = Requirement::Op;
  switch (r.op) {
    case Op::kExists: return r.key;
    case Op::kDoesNotExist: return "!" + r.key;
    case Op::kGreater: return cat(r.key, '>', r.values[0]);
    case Op::kLess: return cat(r.key, '<', r.values[0]);
    case Op::kIn:
      if (r.values.size() == 1) return cat(r.key, '=', r.values[0]);
      return cat(r.key, " in (", join(r.values, ","), ")");
    case Op::kNotIn:
      if (r.values.size() == 1) return cat(r.key, "!=", r.values[0]);
      return cat(r.key, " notin (", join(r.values, ","), ")");
  }
  return "";
}

Result<Requirement> requirement_of(const codec::Value& expression) {
  using Op = Requirement::Op;
  Requirement out;
  out.key = expression["key"].as_string();
  std::string_view op = expression["operator"].as_string();
  for (const codec::Value& value : expression["values"].items()) out.values.emplace_back(value.as_string());
  if (op == "In" || op == "NotIn") {
    out.op = op == "In" ? Op::kIn : Op::kNotIn;
    if (out.values.empty()) return fail(Code::kInvalid, "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  } else if (op == "Exists" || op == "DoesNotExist") {
    out.op = op == "Exists" ? Op::kExists : Op::kDoesNotExist;
    if (!out.values.empty()) return fail(Code::kInvalid, "values: Invalid value: values set must be empty for exists and does not exist");
  } else {
    return fail(Code::kInvalid, go_quote(op), " is not a valid label selector operator");
  }
  KOBUK_CHECK(check(out));
  return out;
}

// The text of the field at "spec.nodeName"; a map's key may hold dots only in its last part.
std::string field_text(const codec::Value& object, std::string_view path) {
  const codec::Value* at = &object;
  for (std::string_view part : split(path, '.')) at = &(*at)[part];
  switch (at->kind()) {
    case codec::Kind::kString: return std::string(at->as_string());
    case codec::Kind::kBool: return at->as_bool() ? "true" : "false";
    case codec::Kind::kInt: return cat(at->as_int());
    default: return "";
  }
}

}  // namespace

std::string label_key_breach(std::string_view key) {
  size_t slash = key.find('/');
  std::string_view name = slash == std::string_view::npos ? key : key.substr(slash + 1);
  if (name.find('/') != std::string_view::npos) {
    return "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
           "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
           "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. "
           "'example.com/MyName')";
  }
  if (slash == 0) return "prefix part must be non-empty";
  if (slash != std::string_view::npos && !is_dns_subdomain(key.substr(0, slash))) {
    return "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
           "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
           "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
  }
  if (name.empty()) return "name part must be non-empty";
  if (name.size() > 63) return "name part must be no more than 63 characters";
  if (is_name(name)) return "";
  return "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
         "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
         "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
}

std::string label_value_breach(std::string_view value) {
  if (value.empty()) return "";
  if (value.size() > 63) return "must be no more than 63 characters";
  if (is_name(value)) return "";
  return "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
         "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
         "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
}

Result<LabelSelector> LabelSelector::parse(std::string_view text) {
  if (text.size() > kMaxSelectorBytes) return fail(Code::kTooLarge, "the label selector is longer than 64 KiB");
  Tokens tokens(text);
  LabelSelector out;
  while (!tokens.at_end()) {
    KOBUK_TRY(Requirement requirement, parse_requirement(tokens));
    KOBUK_CHECK(check(requirement));
    out.requirements_.push_back(std::move(requirement));
    if (tokens.at_end()) break;
    if (!tokens.take_if(",")) return unexpected_token(tokens.now(), "',' or 'end of string'");
    if (tokens.at_end()) return unexpected_token("", "identifier after ','");
  }
  return out;
}

LabelSelector LabelSelector::nothing() {
  LabelSelector out;
  out.nothing_ = true;
  return out;
}

Result<LabelSelector> LabelSelector::from_value(const codec::Value& selector) {
  if (selector.is_null()) return nothing();
  LabelSelector out;
  for (const codec::Member& label : selector["matchLabels"].members()) {
    out.requirements_.push_back({std::string(label.key), Requirement::Op::kIn, {std::string(label.value.as_string())}});
  }
  for (const codec::Value& expression : selector["matchExpressions"].items()) {
    KOBUK_TRY(Requirement requirement, requirement_of(expression));
    out.requirements_.push_back(std::move(requirement));
  }
  return out;
}

bool LabelSelector::matches(const codec::Value& labels) const {
  return !nothing_ && std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& requirement) {
    const codec::Value* found = labels.find(requirement.key);
    return holds(requirement, found == nullptr ? std::nullopt : std::optional(found->as_string()));
  });
}

bool LabelSelector::matches(const std::map<std::string, std::string>& labels) const {
  return !nothing_ && std::all_of(requirements_.begin(), requirements_.end(), [&](const Requirement& requirement) {
    auto found = labels.find(requirement.key);
    return holds(requirement, found == labels.end() ? std::nullopt : std::optional<std::string_view>(found->second));
  });
}

std::string LabelSelector::text() const {
  std::vector<std::string> parts;
  for (const Requirement& requirement : requirements_) parts.push_back(requirement_text(requirement));
  std::sort(parts.begin(), parts.end());
  return join(parts, ",");
}

Result<FieldSelector> FieldSelector::parse(std::string_view text) {
  if (text.size() > kMaxSelectorBytes) return fail(Code::kTooLarge, "the field selector is longer than 64 KiB");
  FieldSelector out;
  for (std::string_view part : split(text, ',')) {
    if (part.empty()) continue;
    size_t equals = part.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return fail(Code::kInvalid, "invalid selector: '", text, "'; can't understand '", part, "'");
    }
    FieldTerm term;
    term.equal = part[equals - 1] != '!';
    term.field = part.substr(0, term.equal ? equals : equals - 1);
    std::string_view value = part.substr(equals + 1);
    if (term.equal && value.starts_with('=')) value.remove_prefix(1);
    term.value = value;
    out.terms_.push_back(std::move(term));
  }
  return out;
}

std::string_view FieldSelector::exact(std::string_view field) const {
  for (const FieldTerm& term : terms_) {
    if (term.equal && term.field == field) return term.value;
  }
  return {};
}

bool FieldSelector::matches(const codec::Value& object) const {
  return std::all_of(terms_.begin(), terms_.end(), [&](const FieldTerm& term) {
    return (field_text(object, term.field) == term.value) == term.equal;
  });
}

}  // namespace kobuk::api
