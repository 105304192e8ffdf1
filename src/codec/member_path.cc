// Paths in Kubernetes' notation (".spec.containers[0].name") and the rule for repeated keys.
#include "codec/member_path.h"

#include <algorithm>
#include <ranges>

#include "base/strings.h"

namespace kobuk::codec {
namespace {

constexpr size_t kPairwiseLimit = 16;

void report(std::vector<std::string>* duplicates, const MemberPath& object, std::string_view key) {
  if (!duplicates || duplicates->size() >= kMaxReportedDuplicates) return;
  duplicates->push_back(MemberPath{.parent = &object, .key = key}.text());
}

bool unique_pairwise(std::span<const Member> members) {
  for (size_t i = 1; i < members.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (members[i].key == members[j].key) return false;
    }
  }
  return true;
}

}  // namespace

std::string MemberPath::text() const {
  std::vector<const MemberPath*> nodes;
  for (const MemberPath* node = this; node->parent; node = node->parent) nodes.push_back(node);
  std::string out;
  for (const MemberPath* node : nodes | std::views::reverse) {
    if (node->index != kNoIndex) {
      cat_to(out, '[', node->index, ']');
    } else {
      cat_to(out, '.', node->key);
    }
  }
  return out;
}

void drop_duplicate_members(Value& object, const MemberPath& path, std::vector<std::string>* duplicates) {
  std::span<Member> members = object.members();
  if (members.size() <= kPairwiseLimit && unique_pairwise(members)) return;

  std::vector<uint32_t> order(members.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, [&](uint32_t a, uint32_t b) {
    int compared = members[a].key.compare(members[b].key);
    return compared != 0 ? compared < 0 : a < b;
  });
  std::vector<bool> dropped;
  for (size_t i = 1, first = 0; i < order.size(); ++i) {
    if (members[order[i]].key != members[order[first]].key) {
      first = i;
      continue;
    }
    if (dropped.empty()) dropped.resize(members.size());
    report(duplicates, path, members[order[i]].key);
    members[order[first]].value = members[order[i]].value;
    dropped[order[i]] = true;
  }
  if (dropped.empty()) return;
  size_t kept = 0;
  for (size_t i = 0; i < members.size(); ++i) {
    if (!dropped[i]) members[kept++] = members[i];
  }
  object.truncate(kept);
}

}  // namespace kobuk::codec
