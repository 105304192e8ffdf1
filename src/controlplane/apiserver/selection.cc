#include "controlplane/apiserver/selection.h"

#include <algorithm>

#include "base/strings.h"

namespace kobuk::controlplane::apiserver {
namespace {

bool is_selectable(const api::KindInfo& kind, std::string_view field) {
  return std::ranges::find(kind.selectable, field) != kind.selectable.end();
}

Status unknown_field(const api::KindInfo& kind, std::string_view field) {
  bool usual = kind.selectable.size() <= 2;  // metadata.name and metadata.namespace
  return bad_request(usual ? cat(go_quote(field), " is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
                           : cat("field label not supported: ", field));
}

// What an Event's and a Pod's selectable fields are where no path of that name says it.
bool term_holds(const api::FieldTerm& term, const codec::Value& object) {
  std::string_view actual = object["source"]["component"].as_string();
  if (actual.empty()) actual = object["reportingComponent"].as_string();
  return (actual == term.value) == term.equal;
}

}  // namespace

bool Selection::matches(const codec::Value& object) const {
  if (!name.empty() && object["metadata"]["name"].as_string() != name) return false;
  if (!labels.everything() && !labels.matches(object["metadata"]["labels"])) return false;
  if (fields.everything()) return true;
  if (object["kind"].as_string() != "Event") return fields.matches(object);
  for (const auto& term : fields.terms()) {
    if (term.field == "source") {
      if (!term_holds(term, object)) return false;
      continue;
    }
    auto one = api::FieldSelector::parse(cat(term.field, term.equal ? "=" : "!=", term.value));
    if (!one || !one->matches(object)) return false;
  }
  return true;
}

store::KeyRange Selection::range(const Resource& resource) const {
  if (!name.empty() && (!space.empty() || !resource.kind->namespaced)) return store::one_key(resource.key(space, name));
  return store::with_prefix(resource.range_prefix(space));
}

Answer<Selection> parse_selection(const Call& call) {
  Selection out{.space = call.info.space, .name = call.info.name};
  auto labels = api::LabelSelector::parse(call.option("labelSelector"));
  if (!labels) return refuse(bad_request(labels.error().message()));
  out.labels = *std::move(labels);
  auto fields = api::FieldSelector::parse(call.option("fieldSelector"));
  if (!fields) return refuse(bad_request(fields.error().message()));
  for (const auto& term : fields->terms())
    if (!is_selectable(call.kind(), term.field)) return refuse(unknown_field(call.kind(), term.field));
  out.fields = *std::move(fields);
  // metadata.namespace=… narrows a list of all namespaces.
  std::string_view in = out.fields.exact("metadata.namespace");
  if (out.space.empty() && !in.empty() && in.find('/') == in.npos) out.space = in;
  return out;
}

}  // namespace kobuk::controlplane::apiserver
