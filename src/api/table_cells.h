// The cells of each kind's rows, used by table.cc only.
#pragma once

#include <string>

#include "api/schema.h"
#include "base/clock.h"
#include "codec/value.h"

namespace kobuk::api {

// An array with one cell for each of kind.columns.
codec::Value table_cells(const codec::Value& object, const KindInfo& kind, WallTime now, codec::Arena& arena);

// What a Pod's STATUS column says, and how often its containers were restarted.
struct PodSummary {
  std::string status;
  int64_t restarts = 0, ready = 0, total = 0;
  std::string last_restart;  // RFC 3339, empty when there was none
};
PodSummary summarise_pod(const codec::Value& pod);

}  // namespace kobuk::api
