// Volumes of a pod and their sources. Rules: Kubernetes core/v1 Volume.
#include <set>

#include "api/quantity.h"
#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {
namespace {

constexpr std::string_view kFileMode = "must be a number between 0 and 0777 (octal), both inclusive";
constexpr std::string_view kHostPathTypes[] = {"",          "BlockDevice", "CharDevice",   "Directory",
                                               "DirectoryOrCreate", "File", "FileOrCreate", "Socket"};
constexpr std::string_view kDownwardFields[] = {"metadata.annotations", "metadata.labels", "metadata.name",
                                                "metadata.namespace",   "metadata.uid"};
constexpr std::string_view kPullPolicies[] = {"Always", "IfNotPresent", "Never"};

void mode(const Path& path, const Value& mode, FieldErrors& errors) {
  if (!mode.is_null() && (mode.as_int() < 0 || mode.as_int() > 0777)) errors.invalid(path, mode, kFileMode);
}

void file_path(const Path& path, std::string_view value, FieldErrors& errors) {
  if (value.empty()) return errors.required(path);
  descending_path(path, value, errors);
  if (value.starts_with("..") && !value.starts_with("../") && value != "..")
    errors.invalid(path, value, "must not start with '..'");
}

void items(const Path& path, const Value& items, FieldErrors& errors) {
  for (size_t i = 0; i < items.size(); ++i) {
    Path at = path.at(i);
    if (items.at(i)["key"].as_string().empty()) errors.required(at.child("key"));
    file_path(at.child("path"), items.at(i)["path"].as_string(), errors);
    mode(at.child("mode"), items.at(i)["mode"], errors);
  }
}

void downward_items(const Path& path, const Value& items, FieldErrors& errors) {
  for (size_t i = 0; i < items.size(); ++i) {
    const Value& item = items.at(i);
    Path at = path.at(i);
    file_path(at.child("path"), item["path"].as_string(), errors);
    mode(at.child("mode"), item["mode"], errors);
    const Value &field = item["fieldRef"], &resource = item["resourceFieldRef"];
    if (!field.is_null()) {
      std::string_view name = field["fieldPath"].as_string();
      bool subscript = name.starts_with("metadata.labels['") || name.starts_with("metadata.annotations['");
      Path ref = at.child("fieldRef");
      if (!subscript) choice(ref.child("fieldPath"), field["fieldPath"], kDownwardFields, errors);
      if (!resource.is_null()) errors.invalid(at, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously");
    } else if (resource.is_null()) {
      errors.required(at, "one of fieldRef and resourceFieldRef is required");
    } else {
      Path ref = at.child("resourceFieldRef");
      if (resource["containerName"].as_string().empty()) errors.required(ref.child("containerName"));
    }
  }
}

void host_path(const Path& path, const Value& source, FieldErrors& errors) {
  std::string_view host = source["path"].as_string();
  if (host.empty()) return errors.required(path.child("path"));
  for (auto part : split(host, '/'))
    if (part == "..") {
      errors.invalid(path.child("path"), host, "must not contain '..'");
      break;
    }
  if (const Value& type = source["type"]; !type.as_string().empty()) choice(path.child("type"), type, kHostPathTypes, errors);
}

void empty_dir(const Path& path, const Value& source, FieldErrors& errors) {
  const Value& limit = source["sizeLimit"];
  if (limit.is_null()) return;
  if (auto size = Quantity::parse(limit.as_string()); size && size->is_negative())
    errors.forbidden(path.child("sizeLimit"), "SizeLimit field must be a valid resource quantity");
}

void projection(const Path& path, const Value& source, FieldErrors& errors) {
  int count = 0;
  for (const auto& member : source.members()) {
    Path at = path.child(member.key);
    if (count++ > 0) errors.forbidden(at, "may not specify more than 1 volume type per source");
    if (member.key == "secret" || member.key == "configMap") {
      if (member.value["name"].as_string().empty()) errors.required(at.child("name"));
      items(at.child("items"), member.value["items"], errors);
    } else if (member.key == "downwardAPI") {
      downward_items(at.child("items"), member.value["items"], errors);
    } else if (member.key == "serviceAccountToken") {
      int64_t seconds = member.value["expirationSeconds"].as_int(3600);
      if (seconds < 600)
        errors.invalid(at.child("expirationSeconds"), seconds, "may not specify a duration less than 10 minutes");
      if (seconds > int64_t{1} << 32)
        errors.invalid(at.child("expirationSeconds"), seconds, "may not specify a duration larger than 2^32 seconds");
      file_path(at.child("path"), member.value["path"].as_string(), errors);
    } else if (member.key == "clusterTrustBundle") {
      file_path(at.child("path"), member.value["path"].as_string(), errors);
    }
  }
}

void projected(const Path& path, const Value& source, FieldErrors& errors) {
  mode(path.child("defaultMode"), source["defaultMode"], errors);
  size_t index = 0;
  Path sources = path.child("sources");
  for (const Value& one : source["sources"].items()) projection(sources.at(index++), one, errors);
}

void required_texts(const Path& path, const Value& source, std::initializer_list<std::string_view> names, FieldErrors& errors) {
  for (auto name : names)
    if (source[name].as_string().empty()) errors.required(path.child(name));
}

void source(const Path& path, std::string_view type, const Value& source, FieldErrors& errors) {
  if (type == "hostPath") return host_path(path, source, errors);
  if (type == "emptyDir") return empty_dir(path, source, errors);
  if (type == "projected") return projected(path, source, errors);
  if (type == "secret" || type == "configMap") {
    required_texts(path, source, {type == "secret" ? "secretName" : "name"}, errors);
    mode(path.child("defaultMode"), source["defaultMode"], errors);
    return items(path.child("items"), source["items"], errors);
  }
  if (type == "downwardAPI") {
    mode(path.child("defaultMode"), source["defaultMode"], errors);
    return downward_items(path.child("items"), source["items"], errors);
  }
  if (type == "persistentVolumeClaim") return required_texts(path, source, {"claimName"}, errors);
  if (type == "csi") return required_texts(path, source, {"driver"}, errors);
  if (type == "nfs") {
    required_texts(path, source, {"server", "path"}, errors);
    if (std::string_view at = source["path"].as_string(); !at.empty() && !at.starts_with('/'))
      errors.invalid(path.child("path"), at, "must be an absolute path");
  }
  if (type == "image") {
    if (source["reference"].as_string().empty()) errors.required(path.child("reference"));
    if (!source["pullPolicy"].is_null()) choice(path.child("pullPolicy"), source["pullPolicy"], kPullPolicies, errors);
  }
}

}  // namespace

void volumes(const Path& path, const Value& volumes, FieldErrors& errors) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < volumes.size(); ++i) {
    const Value& volume = volumes.at(i);
    Path at = path.at(i);
    int types = 0;
    for (const auto& member : volume.members()) {
      if (member.key == "name" || member.value.is_null()) continue;
      Path source_path = at.child(member.key);
      if (types++ > 0) errors.forbidden(source_path, "may not specify more than 1 volume type");
      else source(source_path, member.key, member.value, errors);
    }
    if (types == 0) errors.required(at, "must specify a volume type");
    std::string_view name = volume["name"].as_string();
    if (name.empty()) {
      errors.required(at.child("name"));
      continue;
    }
    breaches(at.child("name"), name, dns1123_label(name), errors);
    if (!names.insert(name).second) errors.duplicate(at.child("name"), name);
  }
}

}  // namespace kobuk::api::validation
