// autoscaling/v1 Scale as another view of Deployments and ReplicaSets.
#pragma once

#include "controlplane/apiserver/core.h"

namespace kobuk::controlplane::apiserver {

const api::KindInfo& scale_kind();
codec::Value scale_of(const codec::Value& object, codec::Arena& arena);
// The object with the size that the Scale asks for; and with its resourceVersion, which is to be compared.
Answer<codec::Value> with_scale(const codec::Value& live, const codec::Value& scale, codec::Arena& arena);
io::http::Response scale_response(const Call& call, int status, std::string_view object_json, WallTime now);

}  // namespace kobuk::controlplane::apiserver
