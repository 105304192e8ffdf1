// Any JSON as an object of any kind: normalised, defaulted, validated, tabled, decoded to a struct. Normalising and
// defaulting are idempotent.
#include <cstdlib>

#include "api/decode.h"
#include "api/defaults.h"
#include "api/normalize.h"
#include "api/table.h"
#include "api/types.h"
#include "api/validate.h"
#include "codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk;
  if (size < 2) return 0;
  auto kinds = api::builtin_kinds().all();
  const api::KindInfo& kind = *kinds[data[0] % kinds.size()];
  auto document = codec::parse_json(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  if (!document) return 0;
  (void)api::from_value<api::core::v1::Pod>(document->root);
  std::vector<std::string> unknown;
  auto prepare = [&](codec::Document& d) {
    bool good = api::normalize(d.root, *kind.schema, d.arena, {.unknown = &unknown}).has_value();
    if (good) api::apply_defaults(d.root, kind, d.arena);
    return good;
  };
  if (!prepare(*document)) return 0;
  std::string once = codec::to_json(document->root);
  (void)api::validate_create(kind, document->root);
  (void)api::validate_update(kind, document->root, document->root);
  (void)api::make_table({}, std::span(&document->root, 1), kind, {}, document->arena);
  auto again = codec::parse_json(once);
  if (!again || !prepare(*again) || codec::to_json(again->root) != once) std::abort();
  return 0;
}
