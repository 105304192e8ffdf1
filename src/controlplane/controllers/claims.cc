// Adoption and release by ownerReferences ("Owners and dependents"; Kubernetes' controller reference rules). Patches name
// the uid, so that they never hit an object that has taken the name since.
#include "controlplane/controllers/claims.h"

#include "api/decode.h"
#include "codec/json.h"

namespace kobuk::controlplane {

std::string adoption_patch(const OwnerReference& owner, const std::string& uid) {
  return cat("{\"metadata\":{\"uid\":\"", uid, "\",\"ownerReferences\":[", api::to_json(owner), "]}}");
}

std::string release_patch(const std::string& owner_uid, const std::string& uid) {
  return cat("{\"metadata\":{\"uid\":\"", uid, "\",\"ownerReferences\":[{\"$patch\":\"delete\",\"uid\":\"", owner_uid, "\"}]}}");
}

namespace {

io::Task<Result<void>> check_owner(api::Client* client, api::GroupVersionResource resource, std::string space, OwnerReference owner) {
  KOBUK_CO_TRY(std::string text, co_await client->get(resource, space, owner.name));
  KOBUK_CO_TRY(codec::Document document, codec::parse_json(text));
  const codec::Value& metadata = document.root["metadata"];
  if (metadata["uid"].as_string() != owner.uid || !metadata["deletionTimestamp"].as_string().empty()) {
    co_return fail(Code::kConflict, "the owner ", owner.name, " is gone or going");
  }
  co_return Result<void>();
}

}  // namespace

io::Task<Result<std::string>> apply_claims(api::Client* client, api::GroupVersionResource owner_resource, std::string space,
                                           OwnerReference owner, api::GroupVersionResource resource, std::vector<ClaimStep> steps) {
  std::string newest;
  bool checked = false;
  for (ClaimStep& step : steps) {
    if (step.kind == ClaimStep::Kind::kAdopt && !checked) {
      KOBUK_CO_CHECK(co_await check_owner(client, owner_resource, space, owner));
      checked = true;
    }
    auto answer = co_await client->patch(resource, step.space, step.name, api::PatchType::kStrategic, std::move(step.patch));
    if (answer) {
      newest = resource_version_of(*answer);
    } else if (answer.error().code() != Code::kNotFound && answer.error().code() != Code::kConflict &&
               answer.error().code() != Code::kInvalid) {  // gone, or another object by now
      co_return fail(std::move(answer).error());
    }
  }
  co_return newest;
}

}  // namespace kobuk::controlplane
