// How a change is written in the embedded store: see embedded.cc. Pure.
#pragma once

#include "store/mvcc.h"

namespace kobuk::store {

std::string record_key(Revision revision, std::string_view key);
std::string encode_change(const Change& change);
// kDataLoss when the bytes are no record.
Result<Change> decode_change(std::string_view record_key, std::string_view record);
std::string encode_number(int64_t number);  // 8 bytes, little-endian
Result<int64_t> decode_number(std::string_view bytes);

}  // namespace kobuk::store
