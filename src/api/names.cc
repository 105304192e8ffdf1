// Name rules with the texts of k8s.io/apimachinery/pkg/util/validation. Written as scans: each runs on every write.
#include "api/names.h"

#include <arpa/inet.h>

#include "base/strings.h"

namespace kobuk::api {
namespace {

bool lower(char c) { return c >= 'a' && c <= 'z'; }
bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return lower(c) || (c >= 'A' && c <= 'Z'); }
bool alnum(char c) { return letter(c) || digit(c); }

std::string max_length(size_t max) { return cat("must be no more than ", max, " characters"); }

// "… (e.g. 'my-name',  or '123-abc', regex used for validation is '…')"
std::string regex_text(std::string_view message, std::string_view regex, std::initializer_list<std::string_view> examples) {
  std::string out(message);
  if (examples.size() == 0) return cat(out, " (regex used for validation is '", regex, "')");
  out += " (e.g. ";
  bool first = true;
  for (auto example : examples) {
    if (!first) out += " or ";
    first = false;
    cat_to(out, "'", example, "', ");
  }
  return cat(out, "regex used for validation is '", regex, "')");
}

bool is_label(std::string_view text) {
  if (text.empty() || text.front() == '-' || text.back() == '-') return false;
  for (char c : text)
    if (!lower(c) && !digit(c) && c != '-') return false;
  return true;
}

bool is_subdomain(std::string_view text) {
  if (text.empty()) return false;
  size_t start = 0;
  while (true) {
    size_t dot = text.find('.', start);
    if (!is_label(text.substr(start, dot == text.npos ? dot : dot - start))) return false;
    if (dot == text.npos) return true;
    start = dot + 1;
  }
}

bool is_qualified_part(std::string_view text) {
  if (text.empty() || !alnum(text.front()) || !alnum(text.back())) return false;
  for (char c : text)
    if (!alnum(c) && c != '-' && c != '_' && c != '.') return false;
  return true;
}

constexpr std::string_view kLabel = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
constexpr std::string_view kSubdomain = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";

}  // namespace

Breaches dns1123_label(std::string_view text) {
  Breaches out;
  if (text.size() > 63) out.push_back(max_length(63));
  if (!is_label(text)) {
    if (is_subdomain(text)) out.push_back("must not contain dots");
    else
      out.push_back(regex_text("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
                               "start and end with an alphanumeric character",
                               kLabel, {"my-name", "123-abc"}));
  }
  return out;
}

Breaches dns1123_subdomain(std::string_view text) {
  Breaches out;
  if (text.size() > 253) out.push_back(max_length(253));
  if (!is_subdomain(text))
    out.push_back(regex_text("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                             "must start and end with an alphanumeric character",
                             kSubdomain, {"example.com"}));
  return out;
}

Breaches dns1035_label(std::string_view text) {
  Breaches out;
  if (text.size() > 63) out.push_back(max_length(63));
  if (!is_label(text) || !lower(text.front()))
    out.push_back(regex_text("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
                             "character, and end with an alphanumeric character",
                             "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
  return out;
}

Breaches qualified_name(std::string_view text) {
  constexpr std::string_view kPart = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
  constexpr std::string_view kMessage =
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
  Breaches out;
  auto parts = split(text, '/');
  std::string_view name = text;
  if (parts.size() == 2) {
    if (parts[0].empty()) out.push_back("prefix part must be non-empty");
    else
      for (auto& breach : dns1123_subdomain(parts[0])) out.push_back(cat("prefix part ", breach));
    name = parts[1];
  } else if (parts.size() > 2) {
    out.push_back(cat("a valid label key ", regex_text(kMessage, kPart, {"MyName", "my.name", "123-abc"}),
                      " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"));
    return out;
  }
  if (name.empty()) out.push_back("name part must be non-empty");
  else if (name.size() > 63) out.push_back(cat("name part ", max_length(63)));
  if (!is_qualified_part(name)) out.push_back(cat("name part ", regex_text(kMessage, kPart, {"MyName", "my.name", "123-abc"})));
  return out;
}

Breaches label_value(std::string_view text) {
  Breaches out;
  if (text.size() > 63) out.push_back(max_length(63));
  if (!text.empty() && !is_qualified_part(text))
    out.push_back(regex_text("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
                             "start and end with an alphanumeric character",
                             "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", {"MyValue", "my_value", "12345"}));
  return out;
}

Breaches env_var_name(std::string_view text) {
  Breaches out;
  if (text.empty()) out.push_back("environment variable name must be non-empty");
  for (char c : text)
    if (c < ' ' || c > '~' || c == '=') {
      out.push_back("a valid environment variable name must consist only of printable ASCII characters other than '='");
      break;
    }
  return out;
}

Breaches config_map_key(std::string_view text) {
  Breaches out;
  if (text.size() > 253) out.push_back(max_length(253));
  bool good = !text.empty();
  for (char c : text) good = good && (alnum(c) || c == '-' || c == '_' || c == '.');
  if (!good)
    out.push_back(regex_text("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", "[-._a-zA-Z0-9]+",
                             {"key.name", "KEY_NAME", "key-name"}));
  if (text == ".") out.push_back("must not be '.'");
  if (text == "..") out.push_back("must not be '..'");
  else if (text.starts_with("..")) out.push_back("must not start with '..'");
  return out;
}

Breaches port_name(std::string_view text) {
  Breaches out;
  if (text.size() > 15) out.push_back("must be no more than 15 characters");
  bool charset = !text.empty(), any_letter = false;
  for (char c : text) charset = charset && (lower(c) || digit(c) || c == '-'), any_letter = any_letter || lower(c);
  if (!charset) out.push_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  if (!any_letter) out.push_back("must contain at least one letter (a-z)");
  if (text.find("--") != text.npos) out.push_back("must not contain consecutive hyphens");
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) out.push_back("must not begin or end with a hyphen");
  return out;
}

Breaches in_range(int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return {};
  return {cat("must be between ", low, " and ", high, ", inclusive")};
}

Breaches port_number(int64_t port) { return in_range(port, 1, 65535); }

bool is_ipv4(std::string_view text) {
  in_addr address;
  if (text.find('\0') != text.npos) return false;
  return inet_pton(AF_INET, std::string(text).c_str(), &address) == 1;
}

bool is_ipv6(std::string_view text) {
  in6_addr address;
  if (text.find('\0') != text.npos) return false;
  return inet_pton(AF_INET6, std::string(text).c_str(), &address) == 1;
}

Breaches ip_address(std::string_view text) {
  if (is_ipv4(text) || is_ipv6(text)) return {};
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

Breaches cidr(std::string_view text) {
  auto slash = text.find('/');
  if (slash != text.npos) {
    auto bits = parse_uint(text.substr(slash + 1));
    std::string_view address = text.substr(0, slash);
    if (bits && ((is_ipv4(address) && *bits <= 32) || (is_ipv6(address) && *bits <= 128))) return {};
  }
  return {"must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"};
}

}  // namespace kobuk::api
