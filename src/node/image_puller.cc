// Rules: Kubernetes' "Images" (pull policies, imagePullSecrets); the secret types kubernetes.io/dockerconfigjson and
// kubernetes.io/dockercfg hold what `docker login` writes.
#include "node/image_puller.h"

#include <algorithm>

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::node {
namespace {

std::string strip_registry(std::string_view address) {
  for (std::string_view scheme : {"https://", "http://"}) {
    if (address.starts_with(scheme)) address.remove_prefix(scheme.size());
  }
  std::string host(address.substr(0, address.find('/')));
  return host == "index.docker.io" || host == "registry-1.docker.io" ? "docker.io" : host;
}

std::string auth_config(const codec::Value& entry, const std::string& registry) {
  std::string user(entry["username"].as_string()), password(entry["password"].as_string());
  if (user.empty()) {
    std::string decoded = unbase64(entry["auth"].as_string()).value_or("");
    size_t colon = decoded.find(':');
    if (colon != std::string::npos) user = decoded.substr(0, colon), password = decoded.substr(colon + 1);
  }
  std::string out = "{\"username\":";
  codec::append_json_string(out, user);
  out += ",\"password\":";
  codec::append_json_string(out, password);
  out += ",\"identitytoken\":";
  codec::append_json_string(out, entry["identitytoken"].as_string());
  out += ",\"serveraddress\":";
  codec::append_json_string(out, registry);
  return out + "}";
}

bool lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool path_component(std::string_view part) {
  if (part.empty() || !lower_or_digit(part.front()) || !lower_or_digit(part.back())) return false;
  return std::ranges::all_of(part, [](char c) { return lower_or_digit(c) || c == '.' || c == '_' || c == '-'; });
}

bool host_component(std::string_view part) {
  return !part.empty() && std::ranges::all_of(part, [](char c) {
    return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  });
}

bool tag_text(std::string_view tag) {
  if (tag.empty() || tag.size() > 128 || tag.front() == '.' || tag.front() == '-') return false;
  return std::ranges::all_of(tag, [](char c) { return lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' || c == '-'; });
}

}  // namespace

PullWait ImagePuller::pull(const std::string& image, const std::string& credentials, std::function<void()> on_done) {
  std::string key = cat(image, "\n", credentials);
  std::shared_ptr<ImagePull>& slot = running_[key];
  if (!slot) {
    slot = std::make_shared<ImagePull>();
    slot->begun = loop_->mono();
    tasks_.spawn(run(slot, image, credentials));
  }
  slot->waiting[++last_wait_] = std::move(on_done);
  return {slot, last_wait_};
}

io::Task<void> ImagePuller::run(std::shared_ptr<ImagePull> pull, std::string image, std::string credentials) {
  pull->result = co_await cri_->pull_image(image, credentials);
  pull->ended = loop_->mono();
  pull->done = true;
  running_.erase(cat(image, "\n", credentials));
  while (!pull->waiting.empty()) {  // one that is called may withdraw others
    auto next = pull->waiting.extract(pull->waiting.begin());
    next.mapped()();
  }
}

std::string registry_of(std::string_view image) {
  size_t slash = image.find('/');
  if (slash == std::string_view::npos) return "docker.io";
  std::string_view first = image.substr(0, slash);
  bool host = first == "localhost" || first.find('.') != std::string_view::npos || first.find(':') != std::string_view::npos;
  return host ? strip_registry(first) : "docker.io";
}

std::string pull_credentials(const core::PodSpec& spec, const PodObjects& objects, const std::string& image) {
  std::string registry = registry_of(image);
  for (const core::LocalObjectReference& reference : spec.image_pull_secrets) {
    const core::Secret* secret = objects.secret(reference.name);
    if (!secret) continue;
    for (const char* key : {".dockerconfigjson", ".dockercfg"}) {
      auto data = secret->data.find(key);
      if (data == secret->data.end()) continue;
      auto document = codec::parse_json(data->second);
      if (!document) continue;
      const codec::Value& entries = document->root["auths"].is_object() ? document->root["auths"] : document->root;
      for (const codec::Member& entry : entries.members()) {
        if (strip_registry(entry.key) == registry) return auth_config(entry.value, registry);
      }
    }
  }
  return {};
}

std::string pull_policy(const core::Container& container) {
  if (!container.image_pull_policy.empty()) return container.image_pull_policy;
  std::string_view image = container.image;
  if (image.find('@') != std::string_view::npos) return "IfNotPresent";
  std::string_view last = image.substr(image.rfind('/') == std::string_view::npos ? 0 : image.rfind('/') + 1);
  size_t colon = last.find(':');
  return colon == std::string_view::npos || last.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

bool is_image_name(std::string_view image) {
  size_t at = image.find('@');
  if (at != std::string_view::npos) {
    std::string_view digest = image.substr(at + 1);
    if (digest.find(':') == std::string_view::npos || digest.size() < 39) return false;
    image = image.substr(0, at);
  }
  size_t slash = image.rfind('/');
  size_t colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    if (!tag_text(image.substr(colon + 1))) return false;
    image = image.substr(0, colon);
  }
  if (image.empty()) return false;
  auto parts = split(image, '/');
  size_t first = parts.size() > 1 && (parts[0] == "localhost" || parts[0].find_first_of(".:") != std::string_view::npos) ? 1 : 0;
  if (first == 1 && !host_component(parts[0])) return false;
  return std::all_of(parts.begin() + static_cast<ptrdiff_t>(first), parts.end(), path_component);
}

}  // namespace kobuk::node
