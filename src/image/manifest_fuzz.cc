// Any bytes as a manifest and as a config: bounded, and a parsed manifest writes to one that parses alike.
#include <cstdlib>

#include "image/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::image;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = parse_config(text);
  if (config && config->diff_ids.size() > kMaxLayers) abort();
  auto content = parse_content(text, "");
  if (!content) return 0;
  if (content->manifest.has_value() == content->index.has_value()) abort();
  if (content->index) {
    auto chosen = choose_platform(*content->index, host_platform());
    if (chosen && chosen->digest.empty()) abort();
    return 0;
  }
  const Manifest& manifest = *content->manifest;
  auto again = parse_content(write_manifest(manifest.media_type, manifest.config, manifest.layers), "");
  if (!again || !again->manifest || again->manifest->layers.size() != manifest.layers.size()) abort();
  return 0;
}
