// Request targets, Accept headers and continue tokens: whatever a client sends, an answer or a refusal.
#include <cstddef>
#include <cstdint>

#include "controlplane/apiserver/list_options.h"
#include "controlplane/apiserver/negotiation.h"
#include "controlplane/apiserver/request_info.h"

using namespace kobuk;
using namespace kobuk::controlplane::apiserver;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::string_view path = text.substr(0, text.find('?')), rest = text.substr(std::min(size, path.size() + 1));
  auto query = io::http::parse_query(rest);
  if (query) {
    auto info = parse_request_info("GET", path, *query);
    if (info && info->is_resource && info->name.find('/') != std::string::npos) __builtin_trap();
    (void)parse_list_options(*query, false);
    (void)parse_list_options(*query, true);
  }
  (void)negotiate(text);
  auto at = decode_continuation(text);
  if (at && at->start.empty()) __builtin_trap();
  return 0;
}
