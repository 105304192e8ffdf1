// Image manifests, indexes and configs (OCI image-spec 1.1; Docker image manifest version 2, schema 2): bytes ⇄ structs.
//
//   KOBUK_TRY(Content content, parse_content(bytes, response_content_type));
//   if (content.index) { KOBUK_TRY(Descriptor chosen, choose_platform(*content.index, wanted)); … }
//   else for (const Descriptor& layer : content.manifest->layers) …
//
// All of it is from outside: sizes are bounded, digests well-formed, and what is missing is an error. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/compress.h"
#include "codec/digest.h"
#include "image/images.h"
#include "image/platform.h"

namespace kobuk::image {

namespace media {
inline constexpr std::string_view kOciManifest = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciIndex = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciConfig = "application/vnd.oci.image.config.v1+json";
inline constexpr std::string_view kOciLayer = "application/vnd.oci.image.layer.v1.tar";  // and "+gzip", "+zstd"
inline constexpr std::string_view kDockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
inline constexpr std::string_view kDockerList = "application/vnd.docker.distribution.manifest.list.v2+json";
inline constexpr std::string_view kDockerConfig = "application/vnd.docker.container.image.v1+json";
inline constexpr std::string_view kDockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json";
inline constexpr std::string_view kDockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
}  // namespace media

inline constexpr size_t kMaxManifest = 4u << 20;   // as the distribution-spec asks registries to accept
inline constexpr size_t kMaxConfig = 8u << 20;
inline constexpr size_t kMaxLayers = 500;          // what an overlay mount takes
inline constexpr size_t kMaxIndexEntries = 10'000;

struct Descriptor {
  std::string media_type;
  codec::Digest digest;
  int64_t size = 0;
  std::optional<Platform> platform;
  std::string reference_name;  // annotation org.opencontainers.image.ref.name
  std::string image_name;      // annotation io.containerd.image.name
  bool attestation = false;    // BuildKit's provenance beside the images: never chosen
};

struct Manifest {
  std::string media_type;
  Descriptor config;
  std::vector<Descriptor> layers;  // base first
  std::optional<Descriptor> subject;
  std::string artifact_type;
};

struct Index {
  std::string media_type;
  std::vector<Descriptor> manifests;
  std::optional<Descriptor> subject;
  std::string artifact_type;
};

// Exactly one is set.
struct Content {
  std::optional<Manifest> manifest;
  std::optional<Index> index;
};

// content_type: of the answer that brought the bytes, or empty; the document's own mediaType goes first.
// kInvalid; kUnsupported for schema 1 and for media types that are no manifest.
Result<Content> parse_content(std::string_view bytes, std::string_view content_type);
// The best for `wanted`. kNotFound "no matching manifest for linux/arm64/v8 in the manifest list entries".
Result<Descriptor> choose_platform(const Index& index, const Platform& wanted);

struct ConfigFile {
  ImageConfig config;
  Platform platform;
  WallTime created{};
  std::vector<std::string> diff_ids;
};
Result<ConfigFile> parse_config(std::string_view bytes);
// Whether the manifest's config is a container's at all; kUnsupported for Helm charts and other artifacts.
Result<void> check_is_image(const Manifest& manifest);

std::string layer_media_type(codec::Compression compression);
// A manifest of `layers` (base first) over `config`, as bytes; the media types decide for OCI or Docker.
std::string write_manifest(std::string_view media_type, const Descriptor& config, const std::vector<Descriptor>& layers);

}  // namespace kobuk::image
