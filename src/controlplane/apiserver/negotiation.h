// What form of answer the client accepts: JSON or YAML; the object itself, a Table, or its metadata alone; the aggregated
// form of discovery.
//
//   API_TRY(Accepted accepted, negotiate(request.headers.get("Accept"), kObjects));
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "controlplane/apiserver/status.h"

namespace kobuk::controlplane::apiserver {

enum class Shape : uint8_t { kObject, kTable, kPartialMetadata, kPartialMetadataList, kAggregatedDiscovery };

struct Accepted {
  Shape shape = Shape::kObject;
  bool yaml = false;
  std::string content_type = "application/json";
};

// 406 when nothing that is asked for can be given. Protobuf is answered by JSON only where the client accepts JSON too.
Answer<Accepted> negotiate(std::string_view accept);

}  // namespace kobuk::controlplane::apiserver
