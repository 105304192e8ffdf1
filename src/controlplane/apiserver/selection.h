// Selection: which objects of a resource a list, watch or deletecollection is about.
#pragma once

#include <string>

#include "api/selector.h"
#include "controlplane/apiserver/core.h"

namespace kobuk::controlplane::apiserver {

struct Selection {
  std::string space, name;  // empty: all; the name comes from the address or from metadata.name=…
  api::LabelSelector labels;
  api::FieldSelector fields;
  bool everything() const { return labels.everything() && fields.everything(); }
  bool matches(const codec::Value& object) const;
  // The keys that can hold such objects.
  store::KeyRange range(const Resource& resource) const;
};

// 400 with Kubernetes' text for selectors that can't be read and fields that can't be selected by.
Answer<Selection> parse_selection(const Call& call);

}  // namespace kobuk::controlplane::apiserver
