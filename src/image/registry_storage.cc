#include "image/registry_storage.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <set>

#include "codec/json.h"
#include "image/reference.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

constexpr int kMaxNameDepth = 128;
constexpr time_t kUploadGrace = 24 * 3600;  // blobs wait so long for the manifest that will name them

void list_repositories(const std::string& root, const std::string& name, int depth, std::vector<std::string>& out) {
  auto entries = sys::list_directory(cat(root, name.empty() ? "" : "/", name));
  if (!entries || depth > kMaxNameDepth) return;
  bool repository = false;
  for (const std::string& entry : *entries) {
    if (entry.starts_with('_')) {
      repository = true;
    } else {
      list_repositories(root, name.empty() ? entry : cat(name, '/', entry), depth + 1, out);
    }
  }
  if (repository) out.push_back(name);
}

bool older_than(const std::string& path, time_t age) {
  struct stat st{};
  return stat(path.c_str(), &st) == 0 && time(nullptr) - st.st_mtime > age;
}

std::string referrer_descriptor(const codec::Digest& digest, size_t size, const std::string& media_type, const Content& content, const std::string& bytes) {
  std::string artifact = content.manifest ? content.manifest->artifact_type : content.index->artifact_type;
  std::string out = "{\"mediaType\":";
  codec::append_json_string(out, media_type);
  cat_to(out, ",\"digest\":\"", digest.text(), "\",\"size\":", size);
  if (!artifact.empty()) {
    out += ",\"artifactType\":";
    codec::append_json_string(out, artifact);
  }
  auto document = codec::parse_json(bytes);
  if (document && document->root["annotations"].is_object()) {
    out += ",\"annotations\":";
    codec::append_json(out, document->root["annotations"]);
  }
  return out + "}";
}

}  // namespace

Result<std::shared_ptr<RegistryStorage>> RegistryStorage::open(std::string directory) {
  KOBUK_TRY(auto blobs, Blobs::open(std::move(directory)));
  std::shared_ptr<RegistryStorage> out(new RegistryStorage(std::move(blobs)));
  KOBUK_CHECK(sys::make_directories(cat(out->blobs_->directory(), "/repositories"), 0700));
  KOBUK_CHECK(out->collect());
  KOBUK_CHECK(out->blobs_->empty_trash());
  return out;
}

std::string RegistryStorage::path(const std::string& repository, std::string_view kind, std::string_view name) const {
  return cat(blobs_->directory(), "/repositories/", repository, '/', kind, name.empty() ? "" : "/", name);
}

Result<void> RegistryStorage::put_file(const std::string& repository, std::string_view kind, std::string_view name, std::string_view text) const {
  KOBUK_CHECK(sys::make_directories(path(repository, kind), 0700));
  return blobs_->write_file(path(repository, kind, name), text);
}

bool RegistryStorage::has_blob(const std::string& repository, const codec::Digest& digest) const {
  bool linked = sys::exists(path(repository, "_layers", digest.hex())) || sys::exists(path(repository, "_manifests", digest.hex()));
  return linked && blobs_->has(digest);
}

Result<int64_t> RegistryStorage::blob(const std::string& repository, const codec::Digest& digest) const {
  if (!has_blob(repository, digest)) return fail(Code::kNotFound, "blob unknown to registry");
  return blobs_->size(digest);
}

Result<void> RegistryStorage::link_blob(const std::string& repository, const codec::Digest& digest) {
  return put_file(repository, "_layers", digest.hex(), "");
}

Result<void> RegistryStorage::commit_blob(const std::string& repository, const codec::Digest& digest, Blobs::Writer& writer) {
  std::lock_guard lock(mutex_);
  KOBUK_CHECK(writer.commit(digest));
  return link_blob(repository, digest);
}

Result<bool> RegistryStorage::mount_blob(const std::string& repository, const codec::Digest& digest, const std::string& from) {
  std::lock_guard lock(mutex_);
  if (!has_blob(from, digest)) return false;
  KOBUK_CHECK(link_blob(repository, digest));
  return true;
}

Result<void> RegistryStorage::delete_blob(const std::string& repository, const codec::Digest& digest) {
  std::lock_guard lock(mutex_);
  if (unlink(path(repository, "_layers", digest.hex()).c_str()) != 0) return fail(Code::kNotFound, "blob unknown to registry");
  return discard_if_unused(digest);
}

Result<void> RegistryStorage::discard_if_unused(const codec::Digest& digest) const {
  KOBUK_TRY(auto repositories, all_repositories());
  for (const std::string& repository : repositories) {
    if (has_blob(repository, digest)) return {};
  }
  KOBUK_CHECK(blobs_->discard(digest));
  return blobs_->empty_trash();
}

Result<codec::Digest> RegistryStorage::resolve(const std::string& repository, const std::string& reference) const {
  std::string text = reference;
  if (!reference.contains(':')) {
    auto tagged = sys::read_file(path(repository, "_tags", reference), 200);
    if (!tagged) return fail(Code::kNotFound, "manifest unknown");
    text = trim(*tagged);
  }
  return codec::Digest::parse(text);
}

bool RegistryStorage::has_manifest(const std::string& repository, const codec::Digest& digest) const {
  return sys::exists(path(repository, "_manifests", digest.hex())) && blobs_->has(digest);
}

Result<RegistryStorage::StoredManifest> RegistryStorage::manifest(const std::string& repository, const std::string& reference) const {
  std::lock_guard lock(mutex_);
  StoredManifest out;
  KOBUK_TRY(out.digest, resolve(repository, reference));
  auto type = sys::read_file(path(repository, "_manifests", out.digest.hex()), 1000);
  if (!type || !blobs_->has(out.digest)) return fail(Code::kNotFound, "manifest unknown");
  out.media_type = trim(*type);
  KOBUK_TRY(out.bytes, blobs_->read(out.digest, kMaxManifest));
  return out;
}

Result<codec::Digest> RegistryStorage::put_manifest(const std::string& repository, const std::string& tag, const std::string& media_type,
                                                    const std::string& bytes, const Content& content) {
  std::lock_guard lock(mutex_);
  KOBUK_TRY(codec::Digest digest, blobs_->write(bytes));
  const auto& subject = content.manifest ? content.manifest->subject : content.index->subject;
  if (subject) {
    std::string kind = cat("_referrers/", subject->digest.hex());
    KOBUK_CHECK(put_file(repository, kind, digest.hex(), referrer_descriptor(digest, bytes.size(), media_type, content, bytes)));
  }
  KOBUK_CHECK(put_file(repository, "_manifests", digest.hex(), media_type));
  if (!tag.empty()) KOBUK_CHECK(put_file(repository, "_tags", tag, digest.text()));
  return digest;
}

Result<void> RegistryStorage::delete_manifest(const std::string& repository, const std::string& reference) {
  std::lock_guard lock(mutex_);
  if (!reference.contains(':')) {
    if (unlink(path(repository, "_tags", reference).c_str()) != 0) return fail(Code::kNotFound, "manifest unknown");
    return {};
  }
  KOBUK_TRY(codec::Digest digest, codec::Digest::parse(reference));
  auto bytes = blobs_->read(digest, kMaxManifest);
  auto all = sys::list_directory(path(repository, "_tags"));
  for (const std::string& tag : all ? *all : std::vector<std::string>()) {
    auto tagged = resolve(repository, tag);
    if (tagged && *tagged == digest) unlink(path(repository, "_tags", tag).c_str());
  }
  if (unlink(path(repository, "_manifests", digest.hex()).c_str()) != 0) return fail(Code::kNotFound, "manifest unknown");
  auto content = bytes ? parse_content(*bytes, "") : Result<Content>(fail(Code::kNotFound, ""));
  if (content) {
    const auto& subject = content->manifest ? content->manifest->subject : content->index->subject;
    if (subject) unlink(path(repository, cat("_referrers/", subject->digest.hex()), digest.hex()).c_str());
  }
  return discard_if_unused(digest);
}

bool RegistryStorage::has_repository(const std::string& repository) const {
  return sys::exists(path(repository, "_manifests")) || sys::exists(path(repository, "_layers"));
}

Result<std::vector<std::string>> RegistryStorage::tags(const std::string& repository) const {
  if (!has_repository(repository)) return fail(Code::kNotFound, "repository name not known to registry");
  auto names = sys::list_directory(path(repository, "_tags"));
  return names ? *std::move(names) : std::vector<std::string>();
}

Result<std::vector<std::string>> RegistryStorage::all_repositories() const {
  std::vector<std::string> out;
  list_repositories(cat(blobs_->directory(), "/repositories"), "", 0, out);
  std::sort(out.begin(), out.end());
  return out;
}

Result<std::vector<std::string>> RegistryStorage::repositories() const {
  KOBUK_TRY(auto out, all_repositories());
  std::erase_if(out, [&](const std::string& repository) {
    auto manifests = sys::list_directory(path(repository, "_manifests"));
    return !manifests || manifests->empty();
  });
  return out;
}

Result<std::vector<std::string>> RegistryStorage::referrers(const std::string& repository, const codec::Digest& subject) const {
  std::string kind = cat("_referrers/", subject.hex());
  auto names = sys::list_directory(path(repository, kind));
  std::vector<std::string> out;
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    auto digest = codec::Digest::parse(cat("sha256:", name));
    if (!digest || !has_manifest(repository, *digest)) continue;
    KOBUK_TRY(std::string text, sys::read_file(path(repository, kind, name), 1 << 20));
    out.push_back(std::move(text));
  }
  return out;
}

// Forgets blobs that no manifest of their repository names, after a day's grace, then drops what nobody has.
Result<void> RegistryStorage::collect() {
  std::set<std::string> used;
  KOBUK_TRY(auto repositories, all_repositories());
  for (const std::string& repository : repositories) {
    std::set<std::string> named;
    auto manifests = sys::list_directory(path(repository, "_manifests"));
    for (const std::string& name : manifests ? *manifests : std::vector<std::string>()) {
      auto digest = codec::Digest::parse(cat("sha256:", name));
      if (!digest) continue;
      used.insert(name);
      auto bytes = blobs_->read(*digest, kMaxManifest);
      auto content = bytes ? parse_content(*bytes, "") : Result<Content>(fail(Code::kNotFound, ""));
      if (!content || !content->manifest) continue;
      named.emplace(content->manifest->config.digest.hex());
      for (const Descriptor& layer : content->manifest->layers) named.emplace(layer.digest.hex());
    }
    auto layers = sys::list_directory(path(repository, "_layers"));
    for (const std::string& name : layers ? *layers : std::vector<std::string>()) {
      std::string link = path(repository, "_layers", name);
      if (!named.contains(name) && older_than(link, kUploadGrace)) {
        unlink(link.c_str());
      } else {
        used.insert(name);
      }
    }
  }
  KOBUK_TRY(auto blobs, blobs_->list());
  for (const codec::Digest& blob : blobs) {
    if (!used.contains(std::string(blob.hex()))) KOBUK_CHECK(blobs_->discard(blob));
  }
  return {};
}

}  // namespace kobuk::image
