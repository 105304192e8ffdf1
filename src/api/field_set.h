// FieldSet: a set of field paths of an object, as managedFields keep it (FieldsV1).
//
//   FieldSet set = FieldSet::from_json(entry["fieldsV1"]);
//   set.insert({"f:spec", "f:replicas"});
//   set.to_json(arena);   // {"f:spec":{"f:replicas":{}}}
//
// A path is a list of elements in their serialised form: `f:name` a field, `k:{"name":"c"}` an element of a list by its
// keys, `v:"x"` an element of a set by its value, `i:0` by its index. A value type; not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

using FieldPath = std::vector<std::string>;

class FieldSet {
 public:
  void insert(const FieldPath& path);
  bool contains(const FieldPath& path) const;
  bool empty() const { return !member_ && children_.empty(); }
  bool operator==(const FieldSet&) const = default;

  FieldSet united(const FieldSet& other) const;
  FieldSet intersected(const FieldSet& other) const;
  FieldSet without(const FieldSet& other) const;
  // Neither the paths of `other` nor anything below them.
  FieldSet without_subtrees(const FieldSet& other) const;
  void each(const std::function<void(const FieldPath&)>& visit) const;

  // The set below one element; nullptr when there is none.
  const FieldSet* below(std::string_view element) const;
  FieldSet& make_below(std::string_view element);
  bool is_member() const { return member_; }
  void set_member() { member_ = true; }

  // Errors: kInvalid for keys that are no path element.
  static Result<FieldSet> from_json(const codec::Value& fields);
  codec::Value to_json(codec::Arena& arena) const;

 private:
  void visit(FieldPath& path, const std::function<void(const FieldPath&)>& visit) const;
  void prune();

  bool member_ = false;  // the path that leads here is in the set
  std::map<std::string, FieldSet, std::less<>> children_;
};

// ".spec.containers[name=\"c\"].image"
std::string path_text(const FieldPath& path);

}  // namespace kobuk::api
