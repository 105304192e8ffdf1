// Which endpoints a Service has, and how they are spread over EndpointSlices. Pure; the controller applies the answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/types/core_v1.h"
#include "api/types/discovery_v1.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {

using Service = api::core::v1::Service;
using EndpointSlice = api::discovery::v1::EndpointSlice;
using Endpoint = api::discovery::v1::Endpoint;
using EndpointPort = api::discovery::v1::EndpointPort;

inline constexpr size_t kMaxEndpointsPerSlice = 100;
inline constexpr const char* kServiceName = "kubernetes.io/service-name";
inline constexpr const char* kManagedBy = "endpointslice.kubernetes.io/managed-by";
inline constexpr const char* kEndpointSliceController = "endpointslice-controller.k8s.io";

// Endpoints that share their ports (a named targetPort may be another number in another pod) and address family.
struct EndpointGroup {
  std::vector<EndpointPort> ports;
  std::string address_type;  // IPv4, IPv6
  std::vector<Endpoint> endpoints;
};

bool has_endpoints(const Service& service);  // by selector
// `zone_of`: the zone of a node, or empty.
std::vector<EndpointGroup> endpoint_groups(const Service& service, const std::vector<std::shared_ptr<const Pod>>& pods,
                                           const std::function<std::string(const std::string& node)>& zone_of);

struct SliceChanges {
  std::vector<EndpointSlice> create;
  std::vector<std::pair<std::shared_ptr<const EndpointSlice>, EndpointSlice>> update;  // from, to
  std::vector<std::shared_ptr<const EndpointSlice>> remove;
};
// The fewest changes: endpoints stay in their slice, room in slices that change anyway is filled first.
SliceChanges plan_slices(const Service& service, std::vector<EndpointGroup> groups,
                         const std::vector<std::shared_ptr<const EndpointSlice>>& existing);

}  // namespace kobuk::controlplane
