// Label and field selectors, as text ("app=nginx,tier in (a, b),!canary") and as LabelSelector values.
// Rules: k8s.io/apimachinery labels.Parse and the LabelSelector type.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

struct Requirement {
  enum class Op { kIn, kNotIn, kExists, kDoesNotExist, kGreater, kLess };
  std::string key;
  Op op = Op::kIn;
  std::vector<std::string> values;
};

class LabelSelector {
 public:
  // Everything matches the empty selector.
  LabelSelector() = default;
  explicit LabelSelector(std::vector<Requirement> requirements) : requirements_(std::move(requirements)) {}
  // Errors: kInvalid, e.g. `unable to parse requirement: found ')', expected: ',' or …`.
  static Result<LabelSelector> parse(std::string_view text);
  // {matchLabels, matchExpressions}; an absent (null) selector matches nothing, an empty object everything.
  static Result<LabelSelector> from_value(const codec::Value& selector);
  static LabelSelector nothing();

  // `labels`: an object of strings, or null for none.
  bool matches(const codec::Value& labels) const;
  bool matches(const std::map<std::string, std::string>& labels) const;
  bool everything() const { return requirements_.empty() && !nothing_; }
  const std::vector<Requirement>& requirements() const { return requirements_; }
  std::string text() const;  // parses to the same selector; sorted by key

 private:
  std::vector<Requirement> requirements_;
  bool nothing_ = false;
};

// "metadata.name=x,status.phase!=Failed": every term must hold.
struct FieldTerm {
  std::string field, value;
  bool equal = true;
};
class FieldSelector {
 public:
  static Result<FieldSelector> parse(std::string_view text);
  const std::vector<FieldTerm>& terms() const { return terms_; }
  bool everything() const { return terms_.empty(); }
  // The value of the term `field=…`, or empty: for look-ups by name.
  std::string_view exact(std::string_view field) const;
  // Looks each field up as a path in the object: absent is "", booleans and numbers are their text.
  bool matches(const codec::Value& object) const;

 private:
  std::vector<FieldTerm> terms_;
};

// A label key is an optional DNS prefix, '/', and a name; a value is empty or a name of at most 63 characters. The
// text of the breach, or empty.
std::string label_key_breach(std::string_view key);
std::string label_value_breach(std::string_view value);

}  // namespace kobuk::api
