// Platforms as image indexes name them: os/architecture[/variant] (OCI image-spec, image-index.md).
//
//   KOBUK_TRY(Platform wanted, parse_platform("linux/arm64"));
//   wanted.variant == "v8", format_platform(wanted) == "linux/arm64/v8"
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::image {

struct Platform {
  std::string os, architecture, variant;
  bool operator==(const Platform&) const = default;
};

// "linux/amd64", "linux/arm/v7", also "arm64" and "linux" alone, completed from this host. Architectures by any of
// their names ("x86_64", "aarch64"). kInvalid otherwise. Empty: the host's.
Result<Platform> parse_platform(std::string_view text);
Platform host_platform();
Platform normalize_platform(Platform platform);
std::string format_platform(const Platform& platform);
// How well `offered` runs where `wanted` is asked for: 0 not at all, greater is better. arm v7 runs v6 and v5, and
// amd64 v3 runs v2.
int platform_rank(const Platform& wanted, const Platform& offered);

}  // namespace kobuk::image
