// The grammar of references: github.com/distribution/reference, "Grammar" in reference.go, and the normalisation of
// familiar names in normalize.go.
//   reference      := name [ ":" tag ] [ "@" digest ]
//   name           := [domain "/"] path-component ["/" path-component]*
//   domain         := (domain-name | "[" IPv6 "]") [":" port]
//   path-component := alphanum (separator alphanum)*       separator := [_.] | "__" | "-"+
//   tag            := [\w][\w.-]{0,127}
//   digest         := algorithm ":" hex{32,}
#include "image/reference.h"

#include <algorithm>

#include "codec/digest.h"

namespace kobuk::image {
namespace {

constexpr std::string_view kDefaultDomain = "docker.io", kLegacyDomain = "index.docker.io", kOfficial = "library/";
constexpr size_t kMaxPath = 255, kMaxTag = 128, kMinDigestHex = 32;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
template <class Is>
bool all_of(std::string_view text, Is is) {
  return std::all_of(text.begin(), text.end(), is);
}

bool is_domain_name(std::string_view text) {
  auto labels = split(text, '.');
  return !labels.empty() && std::all_of(labels.begin(), labels.end(), [](std::string_view label) {
    return !label.empty() && label.front() != '-' && label.back() != '-' &&
           all_of(label, [](char c) { return is_letter(c) || is_digit(c) || c == '-'; });
  });
}

bool is_domain(std::string_view text) {
  if (text.starts_with('[')) {
    size_t end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    if (!all_of(text.substr(1, end - 1), [](char c) { return is_hex(c) || c == ':'; })) return false;
    text.remove_prefix(end + 1);
    return text.empty() || (text.size() > 1 && text[0] == ':' && all_of(text.substr(1), is_digit));
  }
  size_t colon = text.find(':');
  if (colon != std::string_view::npos) {
    std::string_view port = text.substr(colon + 1);
    if (port.empty() || !all_of(port, is_digit)) return false;
  }
  return is_domain_name(text.substr(0, colon));
}

bool is_path_component(std::string_view text) {
  auto alphanum = [](char c) { return is_lower(c) || is_digit(c); };
  if (text.empty() || !alphanum(text.front()) || !alphanum(text.back())) return false;
  for (size_t at = 0; at < text.size();) {
    if (alphanum(text[at])) {
      ++at;
      continue;
    }
    size_t end = at;
    while (end < text.size() && !alphanum(text[end])) ++end;
    std::string_view separator = text.substr(at, end - at);
    bool known = separator == "." || separator == "_" || separator == "__" || all_of(separator, [](char c) { return c == '-'; });
    if (!known) return false;
    at = end;
  }
  return true;
}

bool is_path(std::string_view text) {
  auto components = split(text, '/');
  return !components.empty() && std::all_of(components.begin(), components.end(), is_path_component);
}

bool is_tag(std::string_view text) {
  auto word = [](char c) { return is_letter(c) || is_digit(c) || c == '_'; };
  return !text.empty() && text.size() <= kMaxTag && word(text.front()) &&
         all_of(text, [&](char c) { return word(c) || c == '.' || c == '-'; });
}

// The grammar's digest, which is wider than the digests that exist.
bool looks_like_digest(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  std::string_view algorithm = text.substr(0, colon), digits = text.substr(colon + 1);
  bool starts = true;
  for (char c : algorithm) {
    bool separator = c == '-' || c == '_' || c == '+' || c == '.';
    if (starts ? !is_letter(c) : !separator && !is_letter(c) && !is_digit(c)) return false;
    starts = separator;
  }
  return !starts && digits.size() >= kMinDigestHex && all_of(digits, is_hex);
}

// Divides at the last '@' and, after the last '/', at ':'. nullopt when it does not fit the grammar.
std::optional<Reference> match(std::string_view domain, std::string_view rest) {
  Reference out;
  out.domain = domain;
  if (size_t at = rest.find('@'); at != std::string_view::npos) {
    if (!looks_like_digest(rest.substr(at + 1))) return std::nullopt;
    out.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
  }
  if (size_t colon = rest.find(':'); colon != std::string_view::npos) {
    if (!is_tag(rest.substr(colon + 1))) return std::nullopt;
    out.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  if (!is_domain(domain) || !is_path(rest)) return std::nullopt;
  out.path = rest;
  return out;
}

struct Split {
  std::string domain, rest;
};
Split split_domain(std::string_view text) {
  size_t slash = text.find('/');
  std::string_view first = text.substr(0, slash);
  bool has_domain = slash != std::string_view::npos &&
                    (first == "localhost" || first.find_first_of(".:") != std::string_view::npos || to_lower(first) != first);
  Split out;
  out.domain = has_domain && first != kLegacyDomain ? first : kDefaultDomain;
  out.rest = has_domain ? text.substr(slash + 1) : text;
  if (out.domain == kDefaultDomain && !out.rest.contains('/')) out.rest.insert(0, kOfficial);
  return out;
}

}  // namespace

Result<Reference> parse_reference(std::string_view text) {
  constexpr std::string_view kInvalid = "invalid reference format";
  if (text.empty()) return fail(Code::kInvalid, kInvalid);
  if (text.size() == 64 && all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f'); })) {
    return fail(Code::kInvalid, "invalid repository name (", text, "), cannot specify 64-byte hexadecimal strings");
  }
  auto [domain, rest] = split_domain(text);
  std::string name = rest.substr(0, rest.find(':'));
  if (to_lower(name) != name) {
    return fail(Code::kInvalid, kInvalid, ": repository name (", name, ") must be lowercase");
  }
  auto out = match(domain, rest);
  if (!out) return fail(Code::kInvalid, kInvalid);
  if (out->path.size() > kMaxPath) return fail(Code::kInvalid, "repository name must not be more than ", kMaxPath, " characters");
  if (!out->digest.empty()) {
    auto digest = codec::Digest::parse(out->digest);
    if (!digest) return fail(std::move(digest).error());
  }
  if (out->tag.empty() && out->digest.empty()) out->tag = "latest";
  return *out;
}

bool valid_repository(std::string_view path) { return path.size() <= kMaxPath && is_path(path); }
bool valid_tag(std::string_view tag) { return is_tag(tag); }

static std::string with_tag(std::string name, const Reference& reference) {
  if (!reference.tag.empty()) cat_to(name, ':', reference.tag);
  if (!reference.digest.empty()) cat_to(name, '@', reference.digest);
  return name;
}

std::string familiar_name(const Reference& reference) {
  if (reference.domain != kDefaultDomain) return full_name(reference);
  std::string_view path = reference.path;
  if (path.starts_with(kOfficial) && !path.substr(kOfficial.size()).contains('/')) path.remove_prefix(kOfficial.size());
  return std::string(path);
}
std::string familiar(const Reference& reference) { return with_tag(familiar_name(reference), reference); }
std::string full_name(const Reference& reference) { return cat(reference.domain, '/', reference.path); }
std::string full(const Reference& reference) { return with_tag(full_name(reference), reference); }

}  // namespace kobuk::image
