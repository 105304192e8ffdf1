// Where a decoder is inside a document, as a chain of stack frames: costs nothing until a path has to be named.
//
//   MemberPath child{.parent = &path, .key = "replicas"};
//   child.text() == ".spec.replicas"
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "codec/value.h"

namespace kobuk::codec {

struct MemberPath {
  static constexpr size_t kNoIndex = static_cast<size_t>(-1);

  const MemberPath* parent = nullptr;  // null: the root of the document
  std::string_view key;                // a member of an object, or
  size_t index = kNoIndex;             // an element of an array

  // ".spec.containers[0].name"; "" for the root.
  std::string text() const;
};

// Makes keys unique: the last value of a repeated key stays, at the place of the first. Appends the path of each
// repeated key to `duplicates` (null: not wanted; at the most kMaxReportedDuplicates are kept). Linear for small
// objects, n log n for large ones.
inline constexpr size_t kMaxReportedDuplicates = 64;
void drop_duplicate_members(Value& object, const MemberPath& path, std::vector<std::string>* duplicates);

}  // namespace kobuk::codec
