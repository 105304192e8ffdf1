// What a node may write and read: of all objects of a kind those that are its own, and the Secrets and ConfigMaps of its pods,
// so that a node that is taken over takes no other with it. As Kubernetes' admission NodeRestriction and its Node authorizer,
// for the kinds that authorization lets nodes write or read at all.
#pragma once

#include "codec/value.h"
#include "controlplane/apiserver/core.h"

namespace kobuk::controlplane::apiserver {

// `object`: what would be stored, null for a deletion. `old`: what is there, null for a creation. 403 with Kubernetes' text.
Answer<void> check_node_write(const User& user, const RequestInfo& info, const codec::Value& object, const codec::Value& old);

bool is_node(const User& user);
// 403 for a Secret or ConfigMap that no pod of this node names, and for all of them at once.
io::Task<Answer<void>> check_node_read(Core& core, const Call& call);

}  // namespace kobuk::controlplane::apiserver
