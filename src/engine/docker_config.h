// Dockerfile instructions that change an image's config, as `docker import --change` takes them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace kobuk::engine::docker {

// CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR → the "config" object of an OCI image config.
// kInvalid for what is none of them, or malformed.
Result<std::string> config_of_changes(const std::vector<std::string>& changes);

}  // namespace kobuk::engine::docker
