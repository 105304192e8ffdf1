// Semantics: the etcd v3 API (KV service: Range, Txn, Compact).
#include "store/mvcc.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace kobuk::store {

bool in_range(const KeyRange& range, std::string_view key) {
  if (range.end.empty()) return key == range.key;
  return key >= range.key && (range.end == std::string_view("\0", 1) || key < range.end);
}

const Mvcc::Version* Mvcc::at(const Versions& versions, Revision revision) {
  auto after = std::upper_bound(versions.begin(), versions.end(), revision, [](Revision r, const Version& v) { return r < v.mod; });
  if (after == versions.begin()) return nullptr;
  const Version& found = *std::prev(after);
  return found.value ? &found : nullptr;
}

KeyValue Mvcc::describe(const std::string& key, const Version& version) {
  return {key, version.value, version.create, version.mod, version.version, version.lease};
}

std::pair<Mvcc::Keys::const_iterator, Mvcc::Keys::const_iterator> Mvcc::find(const KeyRange& range) const {
  if (range.end.empty()) return keys_.equal_range(range.key);
  auto first = keys_.lower_bound(range.key);
  if (range.end == std::string_view("\0", 1)) return {first, keys_.end()};
  if (range.end <= range.key) return {first, first};
  return {first, keys_.lower_bound(range.end)};
}

Result<RangeResult> Mvcc::range(const RangeRequest& request) const {
  Revision revision = request.revision == 0 ? revision_ : request.revision;
  if (revision > revision_) return fail(Code::kInvalid, "etcdserver: mvcc: required revision is a future revision");
  if (revision < compacted_) return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
  RangeResult out{.revision = revision_};
  auto [first, last] = find(request.range);
  for (auto at_key = first; at_key != last; ++at_key) {
    const Version* version = at(at_key->second, revision);
    if (version == nullptr) continue;
    ++out.count;
    if (request.count_only) continue;
    if (request.limit > 0 && static_cast<int64_t>(out.kvs.size()) == request.limit) {
      out.more = true;
      continue;
    }
    out.kvs.push_back(describe(at_key->first, *version));
    static const SharedBytes kEmpty = share("");
    if (request.keys_only) out.kvs.back().value = kEmpty;
  }
  return out;
}

template <class T>
static bool compare(Compare::Op op, const T& actual, const T& wanted) {
  switch (op) {
    case Compare::Op::kEqual: return actual == wanted;
    case Compare::Op::kNotEqual: return actual != wanted;
    case Compare::Op::kGreater: return actual > wanted;
    case Compare::Op::kLess: return actual < wanted;
  }
  return false;
}

bool Mvcc::holds(const std::vector<Compare>& compares) const {
  return std::all_of(compares.begin(), compares.end(), [&](const Compare& one) {
    auto found = keys_.find(one.key);
    const Version* version = found == keys_.end() ? nullptr : at(found->second, revision_);
    switch (one.target) {
      case Compare::Target::kVersion: return compare(one.op, version ? version->version : 0, one.number);
      case Compare::Target::kCreateRevision: return compare(one.op, version ? version->create : 0, one.number);
      case Compare::Target::kModRevision: return compare(one.op, version ? version->mod : 0, one.number);
      case Compare::Target::kValue: return version != nullptr && compare(one.op, *version->value, one.value);
    }
    return false;
  });
}

Result<void> Mvcc::check(const std::vector<Operation>& operations) {
  std::set<std::string_view> puts;
  for (const Operation& operation : operations) {
    if (operation.kind != Operation::Kind::kPut) continue;
    if (operation.range.key.empty()) return fail(Code::kInvalid, "etcdserver: key is not provided");
    if (!puts.insert(operation.range.key).second) return fail(Code::kInvalid, "etcdserver: duplicate key given in txn request");
  }
  for (const Operation& operation : operations) {
    if (operation.kind != Operation::Kind::kDelete) continue;
    bool clash = std::any_of(puts.begin(), puts.end(), [&](std::string_view key) { return in_range(operation.range, key); });
    if (clash) return fail(Code::kInvalid, "etcdserver: duplicate key given in txn request");
  }
  return {};
}

void Mvcc::change(const std::string& key, SharedBytes value, LeaseId lease, std::vector<Change>& changes) {
  Versions& versions = keys_[key];
  const Version* before = at(versions, revision_);
  Version now{.mod = revision_ + 1, .lease = lease, .value = std::move(value)};
  now.create = before && now.value ? before->create : now.mod;
  now.version = !now.value ? 0 : before ? before->version + 1 : 1;
  changes.push_back({describe(key, now)});
  versions.push_back(std::move(now));
}

std::vector<OperationResult> Mvcc::apply(const std::vector<Operation>& operations, std::vector<Change>& changes) {
  std::vector<OperationResult> results;
  size_t before = changes.size();
  for (const Operation& operation : operations) {
    OperationResult result;
    switch (operation.kind) {
      case Operation::Kind::kPut: change(operation.range.key, operation.value, operation.lease, changes); break;
      case Operation::Kind::kDelete: {
        auto [first, last] = find(operation.range);
        std::vector<std::string> doomed;
        for (auto key = first; key != last; ++key) {
          // Not what an earlier operation of the same transaction has deleted already.
          bool changed = key->second.back().mod > revision_;
          if (!changed && at(key->second, revision_) != nullptr) doomed.push_back(key->first);
        }
        for (const std::string& key : doomed) change(key, nullptr, 0, changes);
        result.deleted = static_cast<int64_t>(doomed.size());
        break;
      }
      case Operation::Kind::kRange: {
        auto found = range({.range = operation.range, .limit = operation.limit});
        if (found) result.range = std::move(*found);
        break;
      }
    }
    results.push_back(std::move(result));
  }
  if (changes.size() > before) ++revision_;
  return results;
}

void Mvcc::replay(Change change) {
  KeyValue& kv = change.kv;
  revision_ = std::max(revision_, kv.mod_revision);
  Version version{kv.mod_revision, kv.create_revision, kv.version, kv.lease, std::move(kv.value)};
  keys_[kv.key].push_back(std::move(version));
}

void Mvcc::roll_back(Revision revision, const std::vector<Change>& changes) {
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    auto found = keys_.find(change->kv.key);
    if (found == keys_.end() || found->second.empty() || found->second.back().mod <= revision) continue;
    found->second.pop_back();
    if (found->second.empty()) keys_.erase(found);
  }
  revision_ = revision;
}

Result<void> Mvcc::compact(Revision revision, const std::function<void(const std::string&, Revision)>& drop) {
  if (revision > revision_) return fail(Code::kInvalid, "etcdserver: mvcc: required revision is a future revision");
  if (revision <= compacted_) return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
  compacted_ = revision;
  for (auto key = keys_.begin(); key != keys_.end();) {
    Versions& versions = key->second;
    // The newest version at or before `revision` stays, unless it is a deletion.
    auto after = std::upper_bound(versions.begin(), versions.end(), revision, [](Revision r, const Version& v) { return r < v.mod; });
    auto keep = after == versions.begin() ? after : std::prev(after);
    if (keep != after && !keep->value) keep = after;
    for (auto old = versions.begin(); old != keep; ++old) drop(key->first, old->mod);
    versions.erase(versions.begin(), keep);
    key = versions.empty() ? keys_.erase(key) : std::next(key);
  }
  return {};
}

Result<std::vector<Event>> Mvcc::events(const KeyRange& range, Revision from, Revision to) const {
  if (from <= compacted_) return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
  std::vector<Event> out;
  auto [first, last] = find(range);
  for (auto key = first; key != last; ++key) {
    for (const Version& version : key->second) {
      if (version.mod < from || version.mod > to) continue;
      Event event{.deleted = !version.value, .kv = describe(key->first, version)};
      if (const Version* before = at(key->second, version.mod - 1)) {
        event.previous = before->value;
        event.previous_revision = before->mod;
      }
      out.push_back(std::move(event));
    }
  }
  std::sort(out.begin(), out.end(), [](const Event& a, const Event& b) {
    return std::tie(a.kv.mod_revision, a.kv.key) < std::tie(b.kv.mod_revision, b.kv.key);
  });
  return out;
}

std::vector<std::string> Mvcc::keys_of_lease(LeaseId lease) const {
  std::vector<std::string> out;
  for (const auto& [key, versions] : keys_) {
    const Version* now = at(versions, revision_);
    if (now != nullptr && now->lease == lease) out.push_back(key);
  }
  return out;
}

}  // namespace kobuk::store
