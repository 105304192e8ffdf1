// Server-side tables (meta.k8s.io/v1 Table): what `kubectl get` prints; and PartialObjectMetadata.
//
//   codec::Value table = make_table(list["metadata"], items, *kind, {.now = clock.wall()}, arena);
//
// Cells follow Kubernetes' printers: a Pod's status is what is most wrong with it, ages are short ("5m30s", "2d3h").
// Values of the objects are shared with the table. `arena` must retain what they live in.
#pragma once

#include <span>
#include <string>

#include "api/schema.h"
#include "base/clock.h"
#include "codec/value.h"

namespace kobuk::api {

enum class TableInclude : uint8_t { kNone, kMetadata, kObject };  // ?includeObject=

struct TableOptions {
  WallTime now;
  TableInclude include = TableInclude::kMetadata;
  bool columns = true;  // in a watch only the first event has them
};

// `list_metadata`: of the list (resourceVersion, continue …), or of the single object.
codec::Value make_table(const codec::Value& list_metadata, std::span<const codec::Value> objects, const KindInfo& kind,
                        const TableOptions& options, codec::Arena& arena);

// {kind, apiVersion, metadata} of an object.
codec::Value partial_metadata(const codec::Value& object, codec::Arena& arena);

// "45s", "5m30s", "3h", "2d3h", "400d", "3y20d": two or three figures. "<invalid>" for the future.
std::string human_duration(Duration elapsed);
// Since an RFC 3339 time; "<unknown>" when there is none.
std::string age_since(const codec::Value& time, WallTime now);

}  // namespace kobuk::api
