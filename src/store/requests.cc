#include "store/store.h"

namespace kobuk::store {

KeyRange one_key(std::string key) { return {std::move(key), ""}; }

KeyRange with_prefix(std::string prefix) {
  std::string end = prefix;
  while (!end.empty() && static_cast<unsigned char>(end.back()) == 0xff) end.pop_back();
  if (end.empty()) return {std::move(prefix), std::string(1, '\0')};
  end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
  return {std::move(prefix), std::move(end)};
}

Operation put(std::string key, SharedBytes value, LeaseId lease) {
  return {.kind = Operation::Kind::kPut, .range = one_key(std::move(key)), .value = std::move(value), .lease = lease};
}
Operation erase(KeyRange range) { return {.kind = Operation::Kind::kDelete, .range = std::move(range)}; }
Operation read(KeyRange range, int64_t limit) {
  return {.kind = Operation::Kind::kRange, .range = std::move(range), .limit = limit};
}

TxnRequest create_if_absent(std::string key, SharedBytes value, LeaseId lease) {
  Compare absent{.key = key, .target = Compare::Target::kCreateRevision};
  return {.compares = {absent}, .then = {put(key, std::move(value), lease)}, .otherwise = {read(one_key(key))}};
}
TxnRequest replace_if_unchanged(std::string key, Revision mod_revision, SharedBytes value) {
  Compare unchanged{.key = key, .number = mod_revision};
  return {.compares = {unchanged}, .then = {put(key, std::move(value))}, .otherwise = {read(one_key(key))}};
}
TxnRequest delete_if_unchanged(std::string key, Revision mod_revision) {
  Compare unchanged{.key = key, .number = mod_revision};
  return {.compares = {unchanged}, .then = {erase(one_key(key))}, .otherwise = {read(one_key(key))}};
}

}  // namespace kobuk::store
