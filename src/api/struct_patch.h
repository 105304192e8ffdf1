// The merge patch between two states of a struct: what controllers send, so that fields that they don't know survive.
//
//   auto after = *before; after.status.replicas = 3;
//   std::string patch = merge_patch_of(*before, after);     // {"status":{"replicas":3}}
#pragma once

#include <string>

#include "api/decode.h"

namespace kobuk::api {

std::string merge_patch_of(const StructTable& table, const void* from, const void* to);

// Empty when nothing changes. Lists are replaced as a whole.
template <class T>
std::string merge_patch_of(const T& from, const T& to) {
  return merge_patch_of(T::kTable, &from, &to);
}

}  // namespace kobuk::api
