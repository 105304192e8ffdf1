// The forms of names in the API (RFC 1123, RFC 1035, and Kubernetes' own). Each function returns what is wrong with the
// text, in Kubernetes' words, or nothing when it is right.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace kobuk::api {

using Breaches = std::vector<std::string>;

Breaches dns1123_label(std::string_view text);
Breaches dns1123_subdomain(std::string_view text);
Breaches dns1035_label(std::string_view text);
Breaches qualified_name(std::string_view text);  // label keys, finalizers: [prefix/]name
Breaches label_value(std::string_view text);
Breaches env_var_name(std::string_view text);
Breaches config_map_key(std::string_view text);
Breaches port_name(std::string_view text);
Breaches port_number(int64_t port);  // 1…65535
Breaches ip_address(std::string_view text);
Breaches cidr(std::string_view text);
Breaches in_range(int64_t value, int64_t low, int64_t high);  // "must be between 1 and 65535, inclusive"

bool is_ipv4(std::string_view text);
bool is_ipv6(std::string_view text);

}  // namespace kobuk::api
