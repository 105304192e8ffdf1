// The nf_tables table of a profile's Services, rendered from them. Pure.
//
// There is one element a frontend (address, protocol, port) in a verdict map, and one an endpoint in a map: a change of
// a Service is a change of elements. Chains exist per number of endpoints, not per Service. A NodePort's frontend has
// the address 0.0.0.0.
#pragma once

#include <string>
#include <vector>

#include "network/services.h"
#include "sys/nft.h"

namespace kobuk::network {

struct RenderedServices {
  sys::nft::Table table;
  std::vector<std::string> skipped;  // what of the Services can't be served, and why
};
std::string services_table_name(std::string_view profile);  // "kobuk-default.services"
RenderedServices render_services(const Services::Options& options, const std::vector<ServicePort>& wanted);

// Where the rules look for a frontend's endpoints: for whoever must know where connections lead.
bool leads_to(const sys::nft::Table& table, std::string_view frontend, std::string_view address, uint16_t port);

}  // namespace kobuk::network
