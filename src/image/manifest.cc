// OCI image-spec 1.1 (manifest.md, image-index.md, descriptor.md) and Docker "Image Manifest Version 2, Schema 2".
#include "image/manifest.h"

#include "codec/json.h"

namespace kobuk::image {
namespace {

using codec::Kind;
using codec::Value;

constexpr codec::ParseLimits kLimits{.max_bytes = kMaxManifest, .max_depth = 32};

Result<Descriptor> parse_descriptor(const Value& value, std::string_view what) {
  if (!value.is_object()) return fail(Code::kInvalid, "manifest: ", what, " is not a descriptor");
  Descriptor out;
  out.media_type = value["mediaType"].as_string();
  auto digest = codec::Digest::parse(value["digest"].as_string());
  if (!digest) return fail(std::move(digest).error().context("manifest: ", what));
  out.digest = *std::move(digest);
  out.size = value["size"].as_int(-1);
  if (out.size < 0) return fail(Code::kInvalid, "manifest: ", what, " has no valid size");
  const Value& platform = value["platform"];
  if (platform.is_object()) {
    out.platform = Platform{.os = std::string(platform["os"].as_string()),
                            .architecture = std::string(platform["architecture"].as_string()),
                            .variant = std::string(platform["variant"].as_string())};
  }
  const Value& annotations = value["annotations"];
  out.reference_name = annotations["org.opencontainers.image.ref.name"].as_string();
  out.image_name = annotations["io.containerd.image.name"].as_string();
  out.attestation = annotations["vnd.docker.reference.type"].as_string() == "attestation-manifest";
  return out;
}

Result<std::vector<Descriptor>> parse_descriptors(const Value& list, std::string_view what, size_t max) {
  if (!list.is_array()) return fail(Code::kInvalid, "manifest: ", what, " is not a list");
  if (list.size() > max) return fail(Code::kTooLarge, "manifest: ", list.size(), " entries in ", what, ", at most ", max, " are supported");
  std::vector<Descriptor> out;
  out.reserve(list.size());
  for (const Value& item : list.items()) {
    KOBUK_TRY(Descriptor descriptor, parse_descriptor(item, cat(what, '[', out.size(), ']')));
    out.push_back(std::move(descriptor));
  }
  return out;
}

Result<std::optional<Descriptor>> parse_subject(const Value& root) {
  if (root["subject"].is_null()) return std::nullopt;
  KOBUK_TRY(Descriptor subject, parse_descriptor(root["subject"], "subject"));
  return subject;
}

Result<Manifest> parse_manifest(const Value& root, std::string_view media_type) {
  Manifest out;
  out.media_type = media_type;
  KOBUK_TRY(out.config, parse_descriptor(root["config"], "config"));
  KOBUK_TRY(out.layers, parse_descriptors(root["layers"], "layers", kMaxLayers));
  KOBUK_TRY(out.subject, parse_subject(root));
  out.artifact_type = root["artifactType"].as_string();
  if (out.artifact_type.empty()) out.artifact_type = out.config.media_type;
  return out;
}

Result<Index> parse_index(const Value& root, std::string_view media_type) {
  Index out;
  out.media_type = media_type;
  KOBUK_TRY(out.manifests, parse_descriptors(root["manifests"], "manifests", kMaxIndexEntries));
  KOBUK_TRY(out.subject, parse_subject(root));
  out.artifact_type = root["artifactType"].as_string();
  return out;
}

bool is_manifest_type(std::string_view type) { return type == media::kOciManifest || type == media::kDockerManifest; }
bool is_index_type(std::string_view type) { return type == media::kOciIndex || type == media::kDockerList; }

std::unexpected<Error> refuse_schema1() {
  return fail(Code::kUnsupported,
              "Docker Image manifest version 2, schema 1 is not supported: ask the image's author for an OCI image or a "
              "schema 2 manifest, or convert it with `skopeo copy`");
}

void append_descriptor(std::string& out, const Descriptor& descriptor) {
  out += "{\"mediaType\":";
  codec::append_json_string(out, descriptor.media_type);
  cat_to(out, ",\"digest\":\"", descriptor.digest.text(), "\",\"size\":", descriptor.size, "}");
}

}  // namespace

Result<Content> parse_content(std::string_view bytes, std::string_view content_type) {
  KOBUK_TRY(codec::Document document, codec::parse_json(bytes, kLimits));
  const Value& root = document.root;
  if (!root.is_object()) return fail(Code::kInvalid, "manifest: not a JSON object");
  content_type = trim(content_type.substr(0, content_type.find(';')));
  std::string_view type = root["mediaType"].as_string();
  if (type.empty() && (is_manifest_type(content_type) || is_index_type(content_type))) type = content_type;
  bool schema1 = root["schemaVersion"].as_int() == 1 || type == media::kDockerSchema1 || type == media::kDockerSchema1Signed ||
                 content_type == media::kDockerSchema1 || content_type == media::kDockerSchema1Signed;
  if (schema1) return refuse_schema1();
  if (root["schemaVersion"].as_int() != 2) return fail(Code::kInvalid, "manifest: schemaVersion is not 2");
  bool layers = root.find("layers") != nullptr || root.find("config") != nullptr, manifests = root.find("manifests") != nullptr;
  // One document must not be read as two things by two readers (CVE-2021-41190).
  if (layers && manifests) return fail(Code::kInvalid, "manifest: both a manifest and an index");
  if (type.empty()) type = manifests ? media::kOciIndex : media::kOciManifest;
  Content out;
  if (is_index_type(type)) {
    if (layers) return fail(Code::kInvalid, "manifest: an index by its media type, a manifest by its members");
    KOBUK_TRY(out.index, parse_index(root, type));
  } else if (is_manifest_type(type)) {
    if (manifests) return fail(Code::kInvalid, "manifest: a manifest by its media type, an index by its members");
    KOBUK_TRY(out.manifest, parse_manifest(root, type));
  } else {
    return fail(Code::kUnsupported, "unsupported manifest media type ", go_quote(type));
  }
  return out;
}

Result<Descriptor> choose_platform(const Index& index, const Platform& wanted) {
  const Descriptor* best = nullptr;
  int best_rank = 0;
  for (const Descriptor& entry : index.manifests) {
    if (entry.attestation || !entry.platform) continue;
    int rank = platform_rank(wanted, *entry.platform);
    if (rank > best_rank) best = &entry, best_rank = rank;
  }
  // An index of one image that names no platform is that image.
  if (best == nullptr && index.manifests.size() == 1 && !index.manifests[0].platform) best = &index.manifests[0];
  if (best == nullptr) {
    return fail(Code::kNotFound, "no matching manifest for ", format_platform(wanted), " in the manifest list entries");
  }
  return *best;
}

Result<void> check_is_image(const Manifest& manifest) {
  std::string_view type = manifest.config.media_type;
  bool image = type.empty() || type == media::kOciConfig || type == media::kDockerConfig || type == "application/octet-stream";
  if (!image) {
    return fail(Code::kUnsupported, "not a container image: its config is ", go_quote(type), ", which is an artifact that no container can be made from");
  }
  for (const Descriptor& layer : manifest.layers) {
    bool known = layer.media_type.starts_with("application/vnd.oci.image.layer.") ||
                 layer.media_type.starts_with("application/vnd.docker.image.rootfs.");
    bool encrypted = layer.media_type.ends_with("+encrypted");
    if (!known || encrypted) return fail(Code::kUnsupported, "unsupported layer media type ", go_quote(layer.media_type));
  }
  return {};
}

std::string layer_media_type(codec::Compression compression) {
  std::string out(media::kOciLayer);
  if (compression == codec::Compression::kGzip) out += "+gzip";
  if (compression == codec::Compression::kZstd) out += "+zstd";
  return out;
}

std::string write_manifest(std::string_view media_type, const Descriptor& config, const std::vector<Descriptor>& layers) {
  std::string out = cat("{\"schemaVersion\":2,\"mediaType\":\"", media_type, "\",\"config\":");
  append_descriptor(out, config);
  out += ",\"layers\":[";
  for (size_t i = 0; i < layers.size(); ++i) {
    if (i > 0) out += ',';
    append_descriptor(out, layers[i]);
  }
  return out + "]}";
}

}  // namespace kobuk::image
