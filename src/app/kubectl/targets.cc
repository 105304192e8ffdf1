#include "app/kubectl/targets.h"

#include <sys/stat.h>

#include "codec/json.h"
#include "codec/yaml.h"
#include "sys/file.h"

namespace kobuk::app::kubectl {
namespace {

constexpr size_t kMaxManifest = 16u << 20;

Result<std::vector<const Resource*>> find_types(Session& session, std::string_view list) {
  std::vector<const Resource*> out;
  for (std::string_view type : split(list, ',')) {
    KOBUK_TRY(auto category, session.find_category(type));
    if (!category.empty()) {
      out.insert(out.end(), category.begin(), category.end());
      continue;
    }
    KOBUK_TRY(const Resource* resource, session.find_resource(type));
    out.push_back(resource);
  }
  return out;
}

Error mixed_forms() {
  return Error(Code::kInvalid,
               "error: there is no need to specify a resource type as a separate argument when passing arguments in "
               "resource/name form (e.g. 'kubectl get resource/<resource_name>' instead of 'kubectl get resource "
               "resource/<resource_name>')");
}

Result<Target> parse_pair(Session& session, std::string_view pair) {
  size_t slash = pair.find('/');
  std::string_view type = pair.substr(0, slash), name = slash == pair.npos ? std::string_view() : pair.substr(slash + 1);
  if (type.empty() || name.empty() || name.find('/') != name.npos) {
    return fail(mixed_forms());
  }
  KOBUK_TRY(const Resource* resource, session.find_resource(type));
  return Target{resource, std::string(name)};
}

Result<std::string> read_text(const std::string& file) {
  if (file == "-") return sys::read_all(0, "standard input", kMaxManifest);
  auto text = sys::read_file(file, kMaxManifest);
  if (!text && text.error().code() == Code::kNotFound) return fail(Code::kNotFound, "error: the path ", go_quote(file), " does not exist");
  return text;
}

// The file, or the .yaml, .yml and .json files of a folder.
Result<std::vector<std::string>> expand(const std::string& path) {
  struct stat info {};
  if (path == "-" || stat(path.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) return std::vector<std::string>{path};
  std::vector<std::string> out;
  KOBUK_TRY(auto names, sys::list_directory(path));
  for (const std::string& name : names) {
    if (name.ends_with(".yaml") || name.ends_with(".yml") || name.ends_with(".json")) out.push_back(cat(path, "/", name));
  }
  if (out.empty()) return fail(Code::kInvalid, "error: no .yaml, .yml or .json file in ", path);
  return out;
}

class Reader {
 public:
  Reader(Session& session, const std::string& space) : session_(session), space_(space) {}

  Result<void> add(const codec::Value& object, const std::string& file) {
    std::string_view kind = object["kind"].as_string(), api_version = object["apiVersion"].as_string();
    if (kind.empty()) return fail(Code::kInvalid, "error validating ", go_quote(file), ": kind not set");
    if (api_version.empty()) return fail(Code::kInvalid, "error validating ", go_quote(file), ": apiVersion not set");
    if (kind.ends_with("List") && object["items"].is_array()) {
      for (const codec::Value& item : object["items"].items()) KOBUK_CHECK(add(item, file));
      return {};
    }
    auto resource = session_.find_kind(api_version, kind);
    if (!resource) return fail(std::move(resource).error().context("error: resource mapping not found for ", go_quote(file)));
    const codec::Value& metadata = object["metadata"];
    std::string own(metadata["namespace"].as_string());
    if (!own.empty() && !space_.empty() && own != space_) {
      return fail(Code::kInvalid, "error: the namespace from the provided object ", go_quote(own),
                  " does not match the namespace ", go_quote(space_),
                  ". You must pass '--namespace=", own, "' to perform this operation.");
    }
    std::string space = !(*resource)->namespaced ? std::string() : own.empty() ? session_.space() : own;
    objects.push_back({*resource, std::move(space), std::string(metadata["name"].as_string()), codec::to_json(object)});
    return {};
  }

  std::vector<ManifestObject> objects;

 private:
  Session& session_;
  const std::string& space_;
};

}  // namespace

Result<std::vector<Target>> parse_targets(Session& session, const std::vector<std::string>& arguments) {
  std::vector<Target> out;
  if (arguments.empty()) return out;
  if (arguments[0].find('/') != std::string::npos) {
    for (const std::string& pair : arguments) {
      KOBUK_TRY(Target target, parse_pair(session, pair));
      out.push_back(std::move(target));
    }
    return out;
  }
  KOBUK_TRY(auto types, find_types(session, arguments[0]));
  if (arguments.size() == 1) {
    for (const Resource* type : types) out.push_back({type, {}});
    return out;
  }
  for (const Resource* type : types) {
    for (size_t i = 1; i < arguments.size(); ++i) {
      if (arguments[i].find('/') != std::string::npos) return fail(mixed_forms());
      out.push_back({type, arguments[i]});
    }
  }
  return out;
}

Result<std::vector<ManifestObject>> read_manifests(Session& session, const std::vector<std::string>& files, const std::string& space) {
  Reader reader(session, space);
  for (const std::string& path : files) {
    KOBUK_TRY(auto expanded, expand(path));
    for (const std::string& file : expanded) {
      KOBUK_TRY(std::string text, read_text(file));
      auto documents = codec::parse_yaml_stream(text, {.max_bytes = kMaxManifest});
      if (!documents) return fail(Code::kInvalid, "error: error parsing ", file, ": ", documents.error().message());
      for (const codec::Document& document : *documents) KOBUK_CHECK(reader.add(document.root, file));
    }
  }
  if (reader.objects.empty()) return fail(Code::kInvalid, "error: no objects passed to apply");
  return std::move(reader.objects);
}

}  // namespace kobuk::app::kubectl
