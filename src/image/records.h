// What images there are: images.json, one file that is replaced whole. An image is in it last, when its content is
// durable, so that it is whole or absent. Pure; the file is written by Images.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"

namespace kobuk::image {

struct ImageRecord {
  codec::Digest id;        // of the config
  codec::Digest manifest;
  codec::Digest index;     // that the manifest was chosen from; may be empty
  std::vector<std::string> tags;          // full names, "docker.io/library/nginx:latest"
  std::vector<std::string> repo_digests;  // "docker.io/library/nginx@sha256:…"
};

std::string write_records(const std::vector<ImageRecord>& records);
Result<std::vector<ImageRecord>> parse_records(std::string_view text);

}  // namespace kobuk::image
