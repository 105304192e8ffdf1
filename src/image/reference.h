// References, as Docker reads them: [domain/]path[:tag][@digest].
//
//   KOBUK_TRY(Reference ref, parse_reference("nginx"));
//   ref.domain == "docker.io", ref.path == "library/nginx", ref.tag == "latest", familiar(ref) == "nginx:latest"
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::image {

struct Reference {
  std::string domain;  // "docker.io", "localhost:5000"
  std::string path;    // "library/nginx"
  std::string tag;     // "latest" when neither tag nor digest was given; empty with a digest alone
  std::string digest;  // "sha256:…" or empty
  bool operator==(const Reference&) const = default;
};

// kInvalid with Docker's text: "invalid reference format: repository name (library/Nginx) must be lowercase".
Result<Reference> parse_reference(std::string_view text);
std::string familiar(const Reference& reference);       // "nginx:latest"
std::string familiar_name(const Reference& reference);  // "nginx"
std::string full(const Reference& reference);           // "docker.io/library/nginx:latest"
std::string full_name(const Reference& reference);      // "docker.io/library/nginx"

bool valid_repository(std::string_view path);  // "library/nginx": a path without a domain
bool valid_tag(std::string_view tag);

}  // namespace kobuk::image
