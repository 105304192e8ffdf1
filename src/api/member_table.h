// MemberTable: the members of an object by key. A large object gets a hash table, so that walking one object and looking up
// another costs no square of their size; a small one is searched as it is. Valid as long as the object is not changed.
#pragma once

#include <string_view>
#include <unordered_map>

#include "codec/value.h"

namespace kobuk::api {

class MemberTable {
 public:
  explicit MemberTable(const codec::Value& object) : object_(object) {
    if (object.members().size() <= kSearched) return;
    for (const codec::Member& member : object.members()) table_.try_emplace(member.key, &member.value);
  }
  // nullptr when there is no such member.
  const codec::Value* find(std::string_view key) const {
    if (table_.empty()) return object_.find(key);
    auto found = table_.find(key);
    return found == table_.end() ? nullptr : found->second;
  }
  // A null value when absent.
  const codec::Value& operator[](std::string_view key) const {
    static const codec::Value kNull{};
    const codec::Value* found = find(key);
    return found != nullptr ? *found : kNull;
  }

 private:
  static constexpr size_t kSearched = 64;
  const codec::Value& object_;
  std::unordered_map<std::string_view, const codec::Value*> table_;
};

}  // namespace kobuk::api
