// Two JSON values, separated by a newline: as a strategic merge patch on an object, as a server-side apply on a live object,
// and as an update that is tracked.
#include <cstdlib>

#include "api/apply.h"
#include "api/field_set.h"
#include "api/strategic.h"
#include "api/typed_merge.h"
#include "codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  size_t newline = input.find('\n');
  if (newline == input.npos) return 0;
  auto first = codec::parse_json(input.substr(0, newline)), second = codec::parse_json(input.substr(newline + 1));
  if (!first || !second) return 0;
  const api::KindInfo& pod = *api::builtin_kinds().find_kind("v1", "Pod");
  codec::Arena arena;
  (void)api::apply_strategic_patch(first->root, second->root, *pod.schema, arena);
  if (!first->root.is_object() || !second->root.is_object()) return 0;

  api::Write write{.manager = "m", .api_version = "v1", .subresource = {}, .now = WallTime{}};
  auto applied = api::apply_configuration(first->root, second->root, pod, write, true, arena);
  if (applied && !applied->conflicts.empty()) std::abort();  // forced
  codec::Value object = second->root;
  api::track_update(object, first->root, pod, write, arena);

  // Set algebra on what came in.
  auto a = api::FieldSet::from_json(first->root), b = api::FieldSet::from_json(second->root);
  if (!a || !b) return 0;
  if (!(a->without(*b).united(a->intersected(*b)) == *a)) std::abort();
  return 0;
}
