// What a registry's answers say beside the content: challenges, error bodies, redirects. Pure and bounded; fuzzed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/reference.h"

namespace kobuk::image {

// "https://h:1/p?q" is {"https", "h:1", "/p?q"}.
struct Url {
  std::string scheme, authority, target;
  bool operator==(const Url&) const = default;
  // With the scheme's port when it names none: "h:443".
  std::string address() const;
};
std::optional<Url> parse_url(std::string_view text);  // http and https only; no user part
// A Location header, against the URL that was asked for.
std::optional<Url> resolve_url(const Url& base, std::string_view location);
std::string format_url(const Url& url);

// One challenge of WWW-Authenticate (RFC 9110 §11.6.1): Bearer realm="…",service="…",scope="…".
struct Challenge {
  std::string scheme;  // lower case
  std::map<std::string, std::string> parameters;  // names in lower case
};
std::vector<Challenge> parse_challenges(std::string_view header);

// The first error of an error body (distribution-spec, "Error Codes"): {"errors":[{"code","message","detail"}]}.
struct RegistryError {
  int status = 0;
  std::string code;     // "MANIFEST_UNKNOWN"; by the status when the body has none
  std::string message;
  std::string text() const;  // "manifest unknown: manifest unknown", as Docker prints it
};
RegistryError parse_registry_error(int status, std::string_view body);
// In Docker's words, and a canonical code.
Error describe_pull_error(const RegistryError& error, const Reference& reference);
Error describe_push_error(const RegistryError& error, const Reference& reference);

}  // namespace kobuk::image
