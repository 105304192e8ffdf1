// OCI image-spec 1.1, image-layout.md, with the manifest.json of Docker's image specification 1.2 beside it.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "codec/json.h"
#include "codec/tar.h"
#include "image/archive.h"
#include "image/reference.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

using codec::TarEntry;
using codec::TarType;

std::string blob_name(const codec::Digest& digest) { return cat("blobs/", codec::hash_name(digest.algorithm()), '/', digest.hex()); }

Result<void> add_folder(codec::TarWriter& tar, std::string name) {
  TarEntry entry;
  entry.type = TarType::kDirectory;
  entry.name = std::move(name);
  entry.mode = 0755;
  return tar.add(entry, "");
}

Result<void> add_text(codec::TarWriter& tar, std::string name, std::string_view text) {
  TarEntry entry;
  entry.name = std::move(name);
  return tar.add(entry, text);
}

Result<void> add_blob(codec::TarWriter& tar, const Blobs& blobs, const codec::Digest& digest) {
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(blobs.path(digest), O_RDONLY));
  KOBUK_TRY(int64_t size, blobs.size(digest));
  TarEntry entry;
  entry.name = blob_name(digest);
  entry.size = static_cast<uint64_t>(size);
  KOBUK_CHECK(tar.begin_entry(entry));
  std::string buffer(1 << 20, '\0');
  while (true) {
    ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, cat("read blob ", digest.text()));
    if (got == 0) return tar.end_entry();
    KOBUK_CHECK(tar.content(std::string_view(buffer).substr(0, static_cast<size_t>(got))));
  }
}

void append_index_entry(std::string& out, const ImageToSave& image, const std::string& tag, int64_t size) {
  cat_to(out, out.empty() ? "" : ",", "{\"mediaType\":\"", image.manifest.media_type, "\",\"digest\":\"", image.manifest_digest.text(), "\",\"size\":", size);
  auto reference = tag.empty() ? Result<Reference>(fail(Code::kInvalid, "")) : parse_reference(tag);
  if (reference) {
    cat_to(out, ",\"annotations\":{\"io.containerd.image.name\":\"", full(*reference), "\",\"org.opencontainers.image.ref.name\":\"", reference->tag, "\"}");
  }
  out += '}';
}

void append_docker_entry(std::string& out, const ImageToSave& image) {
  cat_to(out, out.empty() ? "" : ",", "{\"Config\":\"", blob_name(image.manifest.config.digest), "\",\"RepoTags\":");
  std::string tags;
  for (const std::string& tag : image.tags) {
    auto reference = parse_reference(tag);
    if (reference) cat_to(tags, tags.empty() ? "" : ",", '"', familiar(*reference), '"');
  }
  cat_to(out, image.tags.empty() ? "null" : cat('[', tags, ']'), ",\"Layers\":[");
  for (size_t i = 0; i < image.manifest.layers.size(); ++i) cat_to(out, i > 0 ? "," : "", '"', blob_name(image.manifest.layers[i].digest), '"');
  out += "]}";
}

Result<void> write_entries(codec::TarWriter& tar, const Blobs& blobs, const std::vector<ImageToSave>& images) {
  std::set<codec::Digest> needed;
  std::string index, docker;
  for (const ImageToSave& image : images) {
    needed.insert({image.manifest_digest, image.manifest.config.digest});
    for (const Descriptor& layer : image.manifest.layers) needed.insert(layer.digest);
    KOBUK_TRY(int64_t size, blobs.size(image.manifest_digest));
    for (const std::string& tag : image.tags) append_index_entry(index, image, tag, size);
    if (image.tags.empty()) append_index_entry(index, image, "", size);
    append_docker_entry(docker, image);
  }
  KOBUK_CHECK(add_folder(tar, "blobs/"));
  KOBUK_CHECK(add_folder(tar, "blobs/sha256/"));
  for (const codec::Digest& digest : needed) KOBUK_CHECK(add_blob(tar, blobs, digest));
  KOBUK_CHECK(add_text(tar, "index.json", cat("{\"schemaVersion\":2,\"mediaType\":\"", media::kOciIndex, "\",\"manifests\":[", index, "]}")));
  KOBUK_CHECK(add_text(tar, "manifest.json", cat('[', docker, ']')));
  KOBUK_CHECK(add_text(tar, "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}"));
  return tar.finish();
}

}  // namespace

Result<void> write_archive(const Blobs& blobs, const std::vector<ImageToSave>& images, const std::string& path) {
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  std::string buffer;
  auto sink = [&](std::string_view bytes) -> Result<void> {
    buffer += bytes;
    if (buffer.size() < (1 << 20)) return {};
    KOBUK_CHECK(sys::write_all(fd.get(), buffer, path));
    buffer.clear();
    return {};
  };
  codec::TarWriter tar(sink);
  KOBUK_CHECK(write_entries(tar, blobs, images));
  return sys::write_all(fd.get(), buffer, path);
}

}  // namespace kobuk::image
