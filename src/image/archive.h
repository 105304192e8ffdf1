// Images in files: `docker save` archives and OCI layouts, read into blobs and written from them. Blocking.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "image/blobs.h"
#include "image/manifest.h"

namespace kobuk::image {

struct ArchivedImage {
  codec::Digest manifest;  // of a manifest or an index, whose blobs are stored now
  std::vector<std::string> tags;  // full names
};

// Every file of the archive becomes a blob; what no image needs is collected afterwards. The file may be compressed.
// kInvalid when it is neither format, or not whole.
Result<std::vector<ArchivedImage>> read_archive(const std::shared_ptr<Blobs>& blobs, const std::string& path);

struct ImageToSave {
  codec::Digest id, manifest_digest;
  Manifest manifest;
  std::vector<std::string> tags;  // full names; none: saved without a name
};
// An OCI layout that `docker load` of every version reads too (manifest.json beside index.json). The same images give
// the same bytes.
Result<void> write_archive(const Blobs& blobs, const std::vector<ImageToSave>& images, const std::string& path);

}  // namespace kobuk::image
