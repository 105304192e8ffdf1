// The normal forms are those of containerd's platforms package, which Docker and BuildKit share.
#include "image/platform.h"

namespace kobuk::image {
namespace {

#if defined(__x86_64__)
constexpr std::string_view kHostArchitecture = "amd64";
#elif defined(__aarch64__)
constexpr std::string_view kHostArchitecture = "arm64";
#elif defined(__arm__)
constexpr std::string_view kHostArchitecture = "arm";
#elif defined(__riscv)
constexpr std::string_view kHostArchitecture = "riscv64";
#elif defined(__s390x__)
constexpr std::string_view kHostArchitecture = "s390x";
#elif defined(__powerpc64__)
constexpr std::string_view kHostArchitecture = "ppc64le";
#else
constexpr std::string_view kHostArchitecture = "unknown";
#endif

bool is_known_os(std::string_view text) {
  for (std::string_view os : {"linux", "windows", "darwin", "freebsd", "wasip1", "js"}) {
    if (text == os) return true;
  }
  return false;
}

// "v7" is 7; what has no number ranks lowest.
int variant_number(std::string_view variant) {
  if (variant.starts_with('v')) variant.remove_prefix(1);
  auto number = parse_uint(variant.substr(0, variant.find('.')));
  return number && *number < 100 ? static_cast<int>(*number) : 0;
}

bool is_component(std::string_view text) {
  if (text.empty() || text.size() > 64) return false;
  for (char c : text) {
    bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
    if (!good) return false;
  }
  return true;
}

}  // namespace

Platform normalize_platform(Platform platform) {
  platform.os = to_lower(platform.os);
  if (platform.os == "macos") platform.os = "darwin";
  std::string& arch = platform.architecture;
  std::string& variant = platform.variant;
  arch = to_lower(arch);
  variant = to_lower(variant);
  if (arch == "i386") arch = "386", variant = "";
  if (arch == "x86_64" || arch == "x86-64" || arch == "amd64") {
    arch = "amd64";
    if (variant == "v1") variant = "";
  } else if (arch == "aarch64" || arch == "arm64") {
    arch = "arm64";
    if (variant.empty() || variant == "8") variant = "v8";
  } else if (arch == "armhf") {
    arch = "arm", variant = "v7";
  } else if (arch == "armel") {
    arch = "arm", variant = "v6";
  } else if (arch == "arm") {
    if (variant.empty() || variant == "7") variant = "v7";
    if (variant == "5" || variant == "6" || variant == "8") variant.insert(0, "v");
  }
  return platform;
}

Platform host_platform() { return normalize_platform({.os = "linux", .architecture = std::string(kHostArchitecture)}); }

Result<Platform> parse_platform(std::string_view text) {
  if (text.empty()) return host_platform();
  auto parts = split(text, '/');
  for (std::string_view part : parts) {
    if (!is_component(part)) return fail(Code::kInvalid, go_quote(text), " is an invalid OS/arch platform: \"", part, "\" is an invalid component");
  }
  if (parts.size() > 3) return fail(Code::kInvalid, go_quote(text), ": cannot parse platform specifier: invalid argument");
  Platform out = host_platform();
  if (parts.size() == 1) {
    std::string only = to_lower(parts[0]);
    if (is_known_os(only)) {
      out.os = only;
      return out;
    }
    out.architecture = only;
    out.variant = "";
    return normalize_platform(std::move(out));
  }
  out.os = parts[0];
  out.architecture = parts[1];
  out.variant = parts.size() == 3 ? parts[2] : "";
  return normalize_platform(std::move(out));
}

std::string format_platform(const Platform& platform) {
  std::string out = cat(platform.os, '/', platform.architecture);
  if (!platform.variant.empty()) cat_to(out, '/', platform.variant);
  return out;
}

int platform_rank(const Platform& wanted_raw, const Platform& offered_raw) {
  Platform wanted = normalize_platform(wanted_raw), offered = normalize_platform(offered_raw);
  if (wanted.os != offered.os || wanted.architecture != offered.architecture) return 0;
  if (wanted.variant == offered.variant) return 1000;
  bool ordered = wanted.architecture == "arm" || wanted.architecture == "arm64" || wanted.architecture == "amd64";
  int want = variant_number(wanted.variant), offer = variant_number(offered.variant);
  if (!ordered || offer > want) return 0;
  return 1 + offer;
}

}  // namespace kobuk::image
