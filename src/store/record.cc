#include "store/record.h"

namespace kobuk::store {
namespace {

constexpr char kPut = 1, kDeletion = 2;

std::unexpected<Error> damaged() {
  return fail(Code::kDataLoss, "a record of the store is damaged: restore the store from a backup");
}
int64_t number_at(std::string_view bytes, size_t offset) {
  uint64_t out = 0;
  for (size_t i = 8; i-- > 0;) out = out << 8 | static_cast<unsigned char>(bytes[offset + i]);
  return static_cast<int64_t>(out);
}

}  // namespace

std::string encode_number(int64_t number) {
  std::string out;
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(static_cast<uint64_t>(number) >> (8 * i)));
  return out;
}
Result<int64_t> decode_number(std::string_view bytes) {
  if (bytes.size() != 8) return damaged();
  return number_at(bytes, 0);
}

std::string record_key(Revision revision, std::string_view key) {
  std::string out = encode_number(revision);
  return std::string(out.rbegin(), out.rend()).append(key);
}

std::string encode_change(const Change& change) {
  std::string out(1, change.kv.value ? kPut : kDeletion);
  out += encode_number(change.kv.create_revision);
  out += encode_number(change.kv.version);
  out += encode_number(change.kv.lease);
  if (change.kv.value) out += *change.kv.value;
  return out;
}

Result<Change> decode_change(std::string_view key, std::string_view record) {
  if (key.size() <= 8 || record.size() < 25 || (record[0] != kPut && record[0] != kDeletion)) return damaged();
  Change out;
  std::string big_endian(key.substr(0, 8));
  out.kv.mod_revision = number_at(std::string(big_endian.rbegin(), big_endian.rend()), 0);
  out.kv.key = key.substr(8);
  out.kv.create_revision = number_at(record, 1);
  out.kv.version = number_at(record, 9);
  out.kv.lease = number_at(record, 17);
  bool sane = out.kv.mod_revision > 0 && out.kv.create_revision > 0 && out.kv.create_revision <= out.kv.mod_revision && out.kv.version >= 0;
  if (!sane) return damaged();
  if (record[0] == kPut) out.kv.value = share(std::string(record.substr(25)));
  return out;
}

}  // namespace kobuk::store
