// Semantics: the etcd v3 API (KV service: Range, Txn, Compact).
#include "store/mvcc.h"

#include <algorithm>
#include <set>

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

Result<RangeResult> Mvcc::range(const RangeRequest& request, Revision newest) const {
  Revision revision = request.revision == 0 ? newest : request.revision;
  if (revision > newest) return fail(Code::kInvalid, "etcdserver: mvcc: required revision is a future revision");
  if (revision < compacted_) return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
  RangeResult out{.revision = newest};
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
    if (operation.range.key.size() > kMaxKeyBytes) return fail(Code::kInvalid, "a key of the store has at most ", kMaxKeyBytes, " bytes");
    if (!operation.value) return fail(Code::kInvalid, "a put needs a value");
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
  auto entry = keys_.try_emplace(key).first;
  Versions& versions = entry->second;
  const Version* before = at(versions, revision_);
  Version now{.mod = revision_ + 1, .lease = lease, .value = std::move(value)};
  now.create = before && now.value ? before->create : now.mod;
  now.version = !now.value ? 0 : before ? before->version + 1 : 1;
  changes.push_back({describe(key, now)});
  log_.emplace_back(now.mod, entry);
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
        // With what the transaction itself has written so far.
        Revision newest = changes.size() > before ? revision_ + 1 : revision_;
        auto found = range({.range = operation.range, .limit = operation.limit}, newest);
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
  auto entry = keys_.try_emplace(kv.key).first;
  if (version.mod > compacted_) log_.emplace_back(version.mod, entry);
  entry->second.push_back(std::move(version));
}

void Mvcc::roll_back(Revision revision, const std::vector<Change>& changes) {
  // All entries of the listed changes and of later ones, which are rolled back by an earlier call.
  Revision first = changes.empty() ? revision_ + 1 : changes.front().kv.mod_revision;
  while (!log_.empty() && log_.back().first >= first) log_.pop_back();
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    auto found = keys_.find(change->kv.key);
    if (found == keys_.end() || found->second.empty() || found->second.back().mod <= revision) continue;
    found->second.pop_back();
    if (found->second.empty()) keys_.erase(found);
  }
  revision_ = revision;
}

Mvcc::Versions::const_iterator Mvcc::first_kept(const Versions& versions, Revision revision) {
  // The newest version at or before `revision` stays, unless it is a deletion.
  auto after = std::upper_bound(versions.begin(), versions.end(), revision, [](Revision r, const Version& v) { return r < v.mod; });
  if (after == versions.begin() || !std::prev(after)->value) return after;
  return std::prev(after);
}

void Mvcc::compactable(Revision revision, const std::function<void(const std::string&, Revision)>& drop) const {
  for (const auto& [key, versions] : keys_) {
    auto keep = first_kept(versions, revision);
    for (auto old = versions.begin(); old != keep; ++old) drop(key, old->mod);
  }
}

void Mvcc::compact(Revision revision) {
  compacted_ = std::max(compacted_, revision);
  while (!log_.empty() && log_.front().first <= compacted_) log_.pop_front();
  for (auto key = keys_.begin(); key != keys_.end();) {
    Versions& versions = key->second;
    versions.erase(versions.cbegin(), first_kept(versions, revision));
    key = versions.empty() ? keys_.erase(key) : std::next(key);
  }
}

Result<std::vector<Event>> Mvcc::events(const KeyRange& range, Revision from, Revision to) const {
  if (from <= compacted_) return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
  std::vector<Event> out;
  auto entry = std::lower_bound(log_.begin(), log_.end(), from, [](const auto& e, Revision r) { return e.first < r; });
  for (; entry != log_.end() && entry->first <= to; ++entry) {
    const auto& [key, versions] = *entry->second;
    if (!in_range(range, key)) continue;
    auto version = std::lower_bound(versions.begin(), versions.end(), entry->first, [](const Version& v, Revision r) { return v.mod < r; });
    Event event{.deleted = !version->value, .kv = describe(key, *version)};
    if (const Version* before = at(versions, version->mod - 1)) {
      event.previous = before->value;
      event.previous_revision = before->mod;
    }
    out.push_back(std::move(event));
  }
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
