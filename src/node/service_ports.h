// From Services and EndpointSlices to what the network room forwards. Pure.
#pragma once

#include <string>
#include <vector>

#include "api/types/core_v1.h"
#include "api/types/discovery_v1.h"
#include "network/services.h"

namespace kobuk::node {

// Slices: those of this Service. node_name: whose endpoints are local.
std::vector<network::ServicePort> make_service_ports(
    const api::core::v1::Service& service, const std::vector<const api::discovery::v1::EndpointSlice*>& slices,
    const std::string& node_name);

}  // namespace kobuk::node
