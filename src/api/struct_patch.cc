// JSON Merge Patch (RFC 7386) of the JSON that two structs stand for.
#include "api/struct_patch.h"

#include "api/patch.h"
#include "codec/json.h"

namespace kobuk::api {

std::string merge_patch_of(const StructTable& table, const void* from, const void* to) {
  codec::Arena arena;
  codec::Value before = struct_to_value(arena, table, from);
  codec::Value after = struct_to_value(arena, table, to);
  codec::Value patch = make_merge_patch(before, after, arena);
  return patch.empty() ? std::string() : codec::to_json(patch);
}

}  // namespace kobuk::api
