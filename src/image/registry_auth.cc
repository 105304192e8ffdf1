// OCI distribution-spec 1.1 ("Error Codes"), the token specification of distribution, RFC 9110 §11 (challenges),
// RFC 3986 §5 (references) as far as redirects of registries go.
#include "image/registry_auth.h"

#include "codec/json.h"

namespace kobuk::image {
namespace {

constexpr size_t kMaxUrl = 16 << 10;
constexpr size_t kMaxChallenges = 16;

bool is_token_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("!#$%&'*+-.^_`|~").contains(c);
}

// Reads a challenge header from left to right.
class ChallengeReader {
 public:
  explicit ChallengeReader(std::string_view text) : text_(text) {}

  std::vector<Challenge> read() {
    std::vector<Challenge> out;
    while (skip_separators(), !text_.empty() && out.size() < kMaxChallenges) {
      std::string_view word = token();
      if (word.empty()) break;
      skip_blanks();
      if (!out.empty() && text_.starts_with('=')) {
        text_.remove_prefix(1);
        skip_blanks();
        out.back().parameters.emplace(to_lower(word), value());
      } else {
        out.push_back({to_lower(word), {}});
      }
    }
    return out;
  }

 private:
  void skip_blanks() {
    while (text_.starts_with(' ') || text_.starts_with('\t')) text_.remove_prefix(1);
  }
  void skip_separators() {
    while (text_.starts_with(' ') || text_.starts_with('\t') || text_.starts_with(',')) text_.remove_prefix(1);
  }
  std::string_view token() {
    size_t end = 0;
    while (end < text_.size() && is_token_char(text_[end])) ++end;
    std::string_view out = text_.substr(0, end);
    text_.remove_prefix(end);
    return out;
  }
  std::string value() {
    if (!text_.starts_with('"')) return std::string(token());
    text_.remove_prefix(1);
    std::string out;
    while (!text_.empty() && text_[0] != '"') {
      if (text_[0] == '\\' && text_.size() > 1) text_.remove_prefix(1);
      out.push_back(text_[0]);
      text_.remove_prefix(1);
    }
    if (!text_.empty()) text_.remove_prefix(1);
    return out;
  }
  std::string_view text_;
};

std::string_view code_of_status(int status) {
  switch (status) {
    case 401: return "UNAUTHORIZED";
    case 403: return "DENIED";
    case 404: return "NOT_FOUND";
    case 405: return "UNSUPPORTED";
    case 429: return "TOOMANYREQUESTS";
    case 503: return "UNAVAILABLE";
    default: return "UNKNOWN";
  }
}

// The messages that distribution gives its codes, for answers that bring none (of HEAD above all).
std::string_view message_of_code(std::string_view code) {
  if (code == "UNAUTHORIZED") return "authentication required";
  if (code == "DENIED") return "requested access to the resource is denied";
  if (code == "MANIFEST_UNKNOWN") return "manifest unknown";
  if (code == "NAME_UNKNOWN") return "repository name not known to registry";
  if (code == "BLOB_UNKNOWN") return "blob unknown to registry";
  if (code == "TOOMANYREQUESTS") return "too many requests";
  if (code == "UNAVAILABLE") return "service unavailable";
  if (code == "UNSUPPORTED") return "the operation is unsupported";
  if (code == "NOT_FOUND") return "not found";
  return "unknown error";
}

Code code_of_error(const RegistryError& error) {
  if (error.code == "UNAUTHORIZED" || error.status == 401) return Code::kUnauthenticated;
  if (error.code == "DENIED" || error.status == 403) return Code::kPermissionDenied;
  if (error.code.ends_with("_UNKNOWN") || error.status == 404) return Code::kNotFound;
  if (error.code == "TOOMANYREQUESTS" || error.status == 429) return Code::kResourceExhausted;
  if (error.status >= 500) return Code::kUnavailable;
  if (error.status == 413) return Code::kTooLarge;
  if (error.status == 405) return Code::kUnsupported;
  return Code::kInvalid;
}

}  // namespace

std::string Url::address() const {
  size_t bracket = authority.rfind(']');
  bool has_port = authority.find(':', bracket == std::string::npos ? 0 : bracket) != std::string::npos;
  return has_port ? authority : cat(authority, scheme == "https" ? ":443" : ":80");
}

std::optional<Url> parse_url(std::string_view text) {
  if (text.size() > kMaxUrl) return std::nullopt;
  Url out;
  size_t mark = text.find("://");
  if (mark == std::string_view::npos) return std::nullopt;
  out.scheme = to_lower(text.substr(0, mark));
  if (out.scheme != "http" && out.scheme != "https") return std::nullopt;
  text.remove_prefix(mark + 3);
  size_t end = text.find_first_of("/?#");
  out.authority = to_lower(text.substr(0, end));
  if (out.authority.empty()) return std::nullopt;
  for (char c : out.authority) {
    if (!is_token_char(c) && c != ':' && c != '[' && c != ']') return std::nullopt;
  }
  std::string_view rest = end == std::string_view::npos ? std::string_view() : text.substr(end);
  rest = rest.substr(0, rest.find('#'));
  for (char c : rest) {
    if (c <= ' ' || c == 0x7f) return std::nullopt;
  }
  out.target = rest.starts_with('/') ? std::string(rest) : cat('/', rest);
  return out;
}

std::optional<Url> resolve_url(const Url& base, std::string_view location) {
  if (location.starts_with("//")) return parse_url(cat(base.scheme, ":", location));
  if (location.contains("://") && location.find("://") < location.find_first_of("/?#")) return parse_url(location);
  std::string folder = base.target.substr(0, base.target.find('?'));
  folder.resize(folder.rfind('/') + 1);
  if (location.starts_with('/')) folder.clear();
  return parse_url(cat(base.scheme, "://", base.authority, folder, location));
}

std::string format_url(const Url& url) { return cat(url.scheme, "://", url.authority, url.target); }

std::vector<Challenge> parse_challenges(std::string_view header) {
  if (header.size() > kMaxUrl) return {};
  return ChallengeReader(header).read();
}

std::string RegistryError::text() const {
  std::string words = to_lower(code);
  for (char& c : words) {
    if (c == '_') c = ' ';
  }
  return cat(words, ": ", message);
}

RegistryError parse_registry_error(int status, std::string_view body) {
  RegistryError out;
  out.status = status;
  auto document = codec::parse_json(body, {.max_bytes = 64 << 10, .max_depth = 16});
  if (document) {
    const codec::Value& root = document->root;
    const codec::Value& first = root["errors"].at(0);
    out.code = first["code"].as_string();
    out.message = first["message"].as_string();
    if (out.message.empty()) out.message = root["details"].as_string(root["message"].as_string());
  }
  if (out.code.empty()) out.code = code_of_status(status);
  if (out.message.empty()) out.message = message_of_code(out.code);
  if (out.code == "UNKNOWN") cat_to(out.message, " (HTTP status ", status, ")");
  return out;
}

Error describe_pull_error(const RegistryError& error, const Reference& reference) {
  Code code = code_of_error(error);
  if (error.code == "DENIED") {
    return Error(code, cat("pull access denied for ", familiar_name(reference), ", repository does not exist or may require 'docker login': ", error.text()));
  }
  if (error.code == "NAME_UNKNOWN") return Error(code, cat("repository ", familiar_name(reference), " not found: ", error.text()));
  if (error.code == "MANIFEST_UNKNOWN" || error.code == "NOT_FOUND") {
    return Error(code, cat("manifest for ", familiar(reference), " not found: ", error.text()));
  }
  return Error(code, error.text());
}

Error describe_push_error(const RegistryError& error, const Reference& reference) {
  Code code = code_of_error(error);
  if (error.code == "DENIED" || error.code == "UNAUTHORIZED") {
    return Error(code, error.text());
  }
  return Error(code, cat("push ", familiar(reference), ": ", error.text()));
}

}  // namespace kobuk::image
