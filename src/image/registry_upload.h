// What the parts of the registry server share. Internal to image.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "image/blobs.h"
#include "image/registry_server.h"

namespace kobuk::image {

struct RegistryServer::Route {
  enum Kind : uint8_t { kBase, kCatalog, kTags, kReferrers, kBlob, kUploads, kUpload, kManifest };
  Kind kind = kBase;
  std::string name, rest;  // the repository, and a digest, tag or upload's id
};

struct RegistryServer::Upload {
  std::string id, repository;
  MonoTime used{};
  bool busy = false;       // a request is at it
  std::mutex mutex;        // a request that was given up may still be writing on the pool
  Blobs::Writer writer;
  int64_t size = 0;        // what was received and written
};

io::http::Response registry_error(int status, std::string_view code, std::string_view message);
io::http::Response registry_error(const Error& error, std::string_view not_found_code);

}  // namespace kobuk::image
