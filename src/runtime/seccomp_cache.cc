// A cached file is named by the digest of the profile and holds the digest of the filter, a line feed, and
// the filter.
#include "runtime/seccomp_cache.h"

#include "codec/digest.h"
#include "sys/file.h"

namespace kobuk::runtime {
namespace {

Result<std::string> read_cached(const std::string& path) {
  KOBUK_TRY(std::string text, sys::read_file(path, 1 << 20));
  size_t end = text.find('\n');
  if (end == text.npos) return fail(Code::kDataLoss, "a cut seccomp filter");
  std::string body = text.substr(end + 1);
  if (codec::Digest::of(body).hex() != std::string_view(text).substr(0, end))
    return fail(Code::kDataLoss, "a damaged seccomp filter");
  return body;
}

Result<std::string> compile(const sys::SeccompProfile& profile, const std::string& path) {
  if (!path.empty()) {
    auto cached = read_cached(path);
    if (cached) return cached;
  }
  KOBUK_TRY(std::string filter, sys::compile_seccomp(profile));
  // A cache that can't be written costs time, not containers.
  if (!path.empty()) (void)sys::replace_file(path, cat(codec::Digest::of(filter).hex(), '\n', filter), 0600);
  return filter;
}

}  // namespace

io::Task<Result<std::string>> SeccompCache::filter(sys::SeccompProfile profile) {
  std::string digest(codec::Digest::of(sys::seccomp_cache_key(profile)).hex());
  auto found = filters_.find(digest);
  if (found != filters_.end()) co_return found->second;
  std::string path = directory_.empty() ? std::string() : cat(directory_, '/', digest);
  auto work = [profile = std::move(profile), path] { return compile(profile, path); };
  auto task = loop_.offload("seccomp", std::move(work));
  KOBUK_CO_TRY(std::string filter, co_await std::move(task));
  filters_[digest] = filter;
  co_return filter;
}

}  // namespace kobuk::runtime
