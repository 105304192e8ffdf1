// Accept (RFC 9110 §12.5.1) with Kubernetes' media type parameters: as, g, v. Alternatives are tried in their order; a
// quality of 0 excludes one.
#include "controlplane/apiserver/negotiation.h"

#include <optional>

#include "base/strings.h"

namespace kobuk::controlplane::apiserver {
namespace {

struct Clause {
  std::string type, as, group, version;
  bool refused = false;
};

Clause parse_clause(std::string_view text) {
  Clause out;
  bool first = true;
  for (std::string_view part : split(text, ';')) {
    part = trim(part);
    if (std::exchange(first, false)) {
      out.type = to_lower(part);
      continue;
    }
    size_t equals = part.find('=');
    if (equals == part.npos) continue;
    std::string_view key = trim(part.substr(0, equals)), value = trim(part.substr(equals + 1));
    if (key == "as") out.as = value;
    if (key == "g") out.group = value;
    if (key == "v") out.version = value;
    if (key == "q") out.refused = value == "0" || value == "0.0" || value == "0.00" || value == "0.000";
  }
  return out;
}

std::optional<Shape> shape_of(const Clause& clause) {
  if (clause.as.empty()) return Shape::kObject;
  if (clause.as == "APIGroupDiscoveryList" && clause.group == "apidiscovery.k8s.io" && clause.version == "v2")
    return Shape::kAggregatedDiscovery;
  if (clause.group != "meta.k8s.io" || (clause.version != "v1" && clause.version != "v1beta1")) return std::nullopt;
  if (clause.as == "Table") return Shape::kTable;
  if (clause.as == "PartialObjectMetadata") return Shape::kPartialMetadata;
  if (clause.as == "PartialObjectMetadataList") return Shape::kPartialMetadataList;
  return std::nullopt;
}

}  // namespace

Answer<Accepted> negotiate(std::string_view accept) {
  if (trim(accept).empty()) return Accepted{};
  for (std::string_view text : split(accept, ',')) {
    Clause clause = parse_clause(trim(text));
    if (clause.refused) continue;
    bool json = clause.type == "application/json" || clause.type == "*/*" || clause.type == "application/*";
    bool yaml = clause.type == "application/yaml";
    auto shape = shape_of(clause);
    if ((!json && !yaml) || !shape) continue;
    Accepted out{*shape, yaml, yaml ? "application/yaml" : "application/json"};
    if (*shape == Shape::kAggregatedDiscovery)
      cat_to(out.content_type, ";g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    return out;
  }
  return refuse({406, "NotAcceptable",
                 "only the following media types are accepted: application/json, application/yaml, "
                 "application/vnd.kubernetes.protobuf, application/json;stream=watch"});
}

}  // namespace kobuk::controlplane::apiserver
