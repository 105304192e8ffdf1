// Objects for tests, from YAML, in the state in which the API server would validate and store them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api::testing {

codec::Document yaml(std::string_view text);  // aborts the test when it is no YAML
const KindInfo& kind_of(const codec::Value& object);

// Normalised and with defaults; `unknown` as normalize() reports it.
Result<codec::Document> prepare(std::string_view text, std::vector<std::string>* unknown = nullptr);

extern const std::string_view kPod;         // one nginx container
extern const std::string_view kDeployment;  // three of them
extern const std::string_view kService;     // LoadBalancer

}  // namespace kobuk::api::testing
