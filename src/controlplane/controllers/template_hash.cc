// 32 bit FNV-1a of the template's JSON, in the alphabet of Kubernetes' safe encoding (k8s.io/apimachinery rand).
#include "controlplane/controllers/template_hash.h"

#include "api/decode.h"
#include "base/strings.h"

namespace kobuk::controlplane {

std::string template_hash(const api::core::v1::PodTemplateSpec& pod_template, std::optional<int32_t> collisions) {
  std::string text = api::to_json(pod_template);
  if (collisions) cat_to(text, *collisions);
  uint32_t hash = 2166136261u;
  for (char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 16777619u;
  constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out = cat(hash);
  for (char& c : out) c = kAlphabet[static_cast<unsigned char>(c) % kAlphabet.size()];
  return out;
}

bool same_template(const api::core::v1::PodTemplateSpec& a, const api::core::v1::PodTemplateSpec& b) {
  auto plain = [](api::core::v1::PodTemplateSpec one) {
    one.metadata.labels.erase(kTemplateHashLabel);
    return api::to_json(one);
  };
  return plain(a) == plain(b);
}

}  // namespace kobuk::controlplane
