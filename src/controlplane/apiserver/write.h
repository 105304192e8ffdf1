// Writes of objects: create, and the read-edit-compare-write loop behind update, patch, apply and subresources.
#pragma once

#include <functional>
#include <string>

#include "controlplane/apiserver/core.h"
#include "controlplane/apiserver/strategy.h"

namespace kobuk::controlplane::apiserver {

struct Written {
  std::string json;  // with resourceVersion
  store::Revision revision = 0;
  bool created = false;
};

// Makes the new object from the one that is there (null: it is not there) in `arena`, sharing nothing with it. Called
// again when somebody else has changed the object meanwhile.
using Edit = std::function<Answer<codec::Value>(const codec::Value* live, codec::Arena& arena)>;

struct UpdateSpec {
  std::string space, name, subresource;
  Edit edit;
  bool creates = false;        // when the object is not there
  bool owned = false;          // the edit has dealt with the ownership of fields
  bool validates = true;       // off for what changes one field that it has checked itself
};

// `document`: a decoded object. Its name may come from generateName.
// `owned`: managedFields are right already.
io::Task<Answer<Written>> create_object(Core& core, Call& call, codec::Document document, bool owned = false);
io::Task<Answer<Written>> update_object(Core& core, Call& call, UpdateSpec spec);

// Makes sure that the body speaks of the object that the address names, and fills in what it leaves out.
Answer<void> match_address(codec::Value& object, const RequestInfo& info, const api::KindInfo& kind, bool with_name, codec::Arena& arena);

// `namespaces "x" not found`, or why nothing may be created in it. The Compare that keeps it so goes to `claims`.
io::Task<Answer<void>> check_namespace(Core& core, const api::KindInfo& kind, std::string space, std::string name, Claims& claims);

}  // namespace kobuk::controlplane::apiserver
