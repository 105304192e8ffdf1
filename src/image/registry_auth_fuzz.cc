// Any bytes as a challenge, an error body, a URL and a redirect.
#include <cstdlib>

#include "image/registry_auth.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::image;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const Challenge& challenge : parse_challenges(text)) {
    if (challenge.scheme.empty()) abort();
  }
  if (parse_registry_error(404, text).text().empty()) abort();
  auto url = parse_url(text);
  if (url && parse_url(format_url(*url)) != url) abort();
  auto moved = resolve_url({"https", "a.example", "/v2/x"}, text);
  if (moved && (!moved->target.starts_with('/') || parse_url(format_url(*moved)) != moved)) abort();
  return 0;
}
