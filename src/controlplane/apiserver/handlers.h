// The handlers of requests, each for some verbs. A Call lives in the caller's frame until its handler is done.
#pragma once

#include "controlplane/apiserver/core.h"

namespace kobuk::controlplane::apiserver {

io::Task<Answer<io::http::Response>> handle_get(Core& core, Call& call);
io::Task<Answer<io::http::Response>> handle_list(Core& core, Call& call);
io::Task<Answer<io::http::Response>> handle_watch(Core& core, Call& call);
io::Task<Answer<io::http::Response>> handle_create(Core& core, Call& call);
io::Task<Answer<io::http::Response>> handle_update(Core& core, Call& call);
io::Task<Answer<io::http::Response>> handle_patch(Core& core, Call& call);
io::Task<Answer<io::http::Response>> handle_delete(Core& core, Call& call);
io::Task<Answer<io::http::Response>> handle_delete_collection(Core& core, Call& call);

// autoscaling/v1 Scale of Deployments and ReplicaSets: get, update, patch.
io::Task<Answer<io::http::Response>> handle_scale(Core& core, Call& call);
// pods/binding and bindings.
io::Task<Answer<io::http::Response>> handle_binding(Core& core, Call& call);
// pods/log
io::Task<Answer<io::http::Response>> handle_log(Core& core, Call& call);

// /healthz, /livez and /readyz, and their checks; nothing when the path is none of these.
io::Task<std::optional<io::http::Response>> handle_health(Core& core, Call& call);
// /version, /api, /apis, /openapi …; nothing when the path is none of these.
std::optional<io::http::Response> handle_path(Core& core, Call& call);

// kubectl looks a kind that it does not know up among the CustomResourceDefinitions before it says so. None can be made
// yet, and so there are none.
io::Task<Answer<io::http::Response>> list_custom_kinds(Core& core, Call& call);

// An object as the client accepts it: JSON, YAML, a Table or its metadata.
io::http::Response object_response(const Call& call, int status, std::string json, WallTime now);

}  // namespace kobuk::controlplane::apiserver
