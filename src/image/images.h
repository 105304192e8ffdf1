// Images of one profile: pulled, pushed, imported, listed, removed, and unpacked into layers that containers stand on.
//
//   KOBUK_TRY(auto images, Images::open(loop, {.directory = "/var/lib/kobuk/default/images"}));
//   KOBUK_CO_TRY(ImageInfo image, co_await images->pull({.reference = "nginx:latest"}));
//   KOBUK_CO_TRY(auto layers, co_await images->layers(image.id));      // lower directories, the top one first
//
// Names are normalised as Docker does ("nginx" is docker.io/library/nginx:latest). Content is verified by digest; an
// image is whole or absent, after kill -9 too. Loop thread only; disk and inflation work go to the offload pool.
// Errors: kNotFound (no such image, or the registry says so), kUnauthenticated / kPermissionDenied (of the registry),
// kUnavailable (the registry can't be reached), kInvalid (a reference), kDataLoss (a digest differs), kTooLarge.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "image/reference.h"
#include "io/loop.h"

namespace kobuk::image {

// The part of an image's config (OCI image-spec "config") that a container is made from.
struct ImageConfig {
  std::string user, working_dir, stop_signal;
  std::vector<std::string> env, entrypoint, cmd, exposed_ports, volumes;  // "80/tcp"
  std::map<std::string, std::string> labels;
  std::string architecture, os;
  std::string json;  // the whole config, as stored
};

struct ImageInfo {
  std::string id;                          // "sha256:…" of the config
  std::vector<std::string> tags;           // familiar names, "nginx:latest"
  std::vector<std::string> repo_digests;   // "nginx@sha256:…"
  int64_t size = 0;                        // bytes of the unpacked layers
  WallTime created{};
  std::vector<std::string> diff_ids;       // base first
  ImageConfig config;
};

struct Credentials {
  std::string username, password, identity_token;
};

struct PullProgress {
  std::string id;      // short layer id, or the tag for the line that has none
  std::string status;  // "Pulling fs layer", "Downloading", "Extracting", "Pull complete", as Docker words them
  int64_t current = 0, total = 0;
};
using OnProgress = std::function<void(const PullProgress&)>;

struct PullRequest {
  std::string reference;
  std::string platform;  // "linux/arm64"; empty: this host's
  std::optional<Credentials> credentials;
  OnProgress progress;   // may be empty
};

struct PushRequest {
  std::string reference;
  std::optional<Credentials> credentials;
  OnProgress progress;
};

class Images {
 public:
  struct Options {
    std::string directory;
    // Mirrors tried before the registry itself: "docker.io" → {"http://127.0.0.1:5000"}.
    std::map<std::string, std::vector<std::string>> mirrors;
    std::vector<std::string> insecure_registries;  // plain HTTP is tried; 127.0.0.0/8 and localhost always are
    std::string certificates_directory = "/etc/docker/certs.d";  // <host[:port]>/ca.crt, client.cert, client.key
    int parallel_layers = 3;                       // downloads at a time, of all pulls together
    uint64_t max_layer_bytes = 64ull << 30;        // that one layer may unpack to
    Duration retry_backoff = std::chrono::milliseconds(500);  // before the first retry; doubled each time
  };
  static Result<std::unique_ptr<Images>> open(io::Loop& loop, Options options);
  virtual ~Images() = default;

  // Two pulls of the same layer share one download.
  virtual io::Task<Result<ImageInfo>> pull(PullRequest request) = 0;
  virtual io::Task<Result<void>> push(PushRequest request) = 0;
  // By familiar or full name, by digest, by id or an unambiguous prefix of one.
  virtual Result<ImageInfo> find(const std::string& name) const = 0;
  virtual std::vector<ImageInfo> list() const = 0;
  virtual Result<void> tag(const std::string& source, const std::string& target) = 0;
  struct Removed {
    std::vector<std::string> untagged, deleted;
  };
  // kConflict while a container uses it (in_use) unless force; kConflict when an id has several tags and no force.
  // With force an image in use loses its names, and its content stays until it is removed again.
  virtual io::Task<Result<Removed>> remove(std::string name, bool force) = 0;
  // Who still stands on an image, asked by remove(); set by the engine.
  virtual void set_in_use(std::function<bool(const std::string& id)> in_use) = 0;
  // Unpacked layers, the top one first, ready to be lower directories of an overlay: one at least (an empty one for an
  // image without layers), none twice. They stay while the image does; remove() of an image in use keeps them.
  virtual io::Task<Result<std::vector<std::string>>> layers(std::string id) = 0;
  // A tar as of `docker save` or an OCI layout, from a file; the names that it brought.
  virtual io::Task<Result<std::vector<std::string>>> load(std::string tar_path) = 0;
  virtual io::Task<Result<void>> save(std::vector<std::string> names, std::string tar_path) = 0;
  // A root file system (tar, any compression) as a one-layer image: `docker import`. `config`: OCI "config" JSON.
  virtual io::Task<Result<ImageInfo>> import(std::string tar_path, std::string reference, std::string config) = 0;
};

}  // namespace kobuk::image
