#include "api/patch.h"
#include "codec/json.h"

// The input is a target and a patch, divided by a line break; nothing may crash or grow past the bounds.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t line = text.find('\n');
  if (line == std::string_view::npos) return 0;
  auto target = kobuk::codec::parse_json(text.substr(0, line));
  auto patch = kobuk::codec::parse_json(text.substr(line + 1));
  if (!target || !patch) return 0;
  (void)kobuk::api::apply_merge_patch(target->root, patch->root, target->arena);
  (void)kobuk::api::apply_json_patch(target->root, patch->root, target->arena, {.max_operations = 100, .max_copy_bytes = 1 << 16});
  return 0;
}
