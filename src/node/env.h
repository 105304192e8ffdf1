// A container's environment. Rules: Kubernetes' "Define Environment Variables", in the order of the kubelet: envFrom,
// env (later ones see earlier ones by $(NAME)), then the variables of Services that are not set yet. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "node/field_ref.h"
#include "node/objects.h"
#include "node/pod.h"

namespace kobuk::node {

using Environment = std::vector<std::pair<std::string, std::string>>;

// "$(NAME)" becomes what `lookup` says, or stays when it says nothing; "$$" is "$".
std::string expand(std::string_view text, const std::function<std::optional<std::string>(const std::string&)>& lookup);

// WEB_SERVICE_HOST, WEB_SERVICE_PORT, WEB_PORT_80_TCP_ADDR … of the namespace's Services (unless `links` is false) and
// of default/kubernetes.
std::map<std::string, std::string> service_variables(const std::vector<core::Service>& services, const std::string& space,
                                                     bool links);

struct EnvironmentInput {
  const core::Pod& pod;
  const core::Container& container;
  const PodObjects& objects;
  const NodeIdentity& node;
  const std::map<std::string, std::string>& services;
};
// Errors are the messages of CreateContainerConfigError.
Result<Environment> make_environment(const EnvironmentInput& input);

// Entry point, arguments and the like: "$(NAME)" by the environment.
std::vector<std::string> expand_all(const std::vector<std::string>& texts, const Environment& environment);
std::string expand_with(std::string_view text, const Environment& environment);

}  // namespace kobuk::node
