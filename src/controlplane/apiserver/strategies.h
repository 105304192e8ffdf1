// The strategies of single kinds, used by strategy.cc only. They live for ever.
#pragma once

#include "controlplane/apiserver/strategy.h"

namespace kobuk::controlplane::apiserver {

const Strategy& pod_strategy();
const Strategy& service_strategy();
const Strategy& namespace_strategy();
const Strategy& service_account_strategy();
const Strategy& node_strategy();
const Strategy& event_strategy();
const Strategy& deployment_strategy();
const Strategy& replica_set_strategy();
const Strategy& lease_strategy();
const Strategy& endpoint_slice_strategy();

}  // namespace kobuk::controlplane::apiserver
