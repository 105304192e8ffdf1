// Options of list and watch: resourceVersion, resourceVersionMatch, limit, continue, sendInitialEvents, with the rules
// that Kubernetes has for their combinations; and the continue token.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/schema.h"
#include "controlplane/apiserver/status.h"
#include "io/http.h"
#include "store/store.h"

namespace kobuk::controlplane::apiserver {

struct ListOptions {
  enum class Match : uint8_t { kUnset, kNotOlderThan, kExact };
  std::optional<store::Revision> revision;  // absent: the newest; 0: any
  Match match = Match::kUnset;
  int64_t limit = 0;
  std::string continue_token;
  bool bookmarks = false;
  std::optional<bool> initial_events;
  std::optional<int64_t> timeout_seconds;
};
Answer<ListOptions> parse_list_options(const io::http::Query& query, bool watch);

// Where the next page begins: at `start` (a key below the resource's prefix), in the state of `revision`; -1 is the newest.
struct Continuation {
  store::Revision revision = 0;
  std::string start;
};
std::string encode_continuation(const Continuation& at);
std::optional<Continuation> decode_continuation(std::string_view token);

}  // namespace kobuk::controlplane::apiserver
