// OCI image-spec 1.1, image-layout.md; Docker's image specification 1.2, "Combined Image JSON + Filesystem Changeset
// Format" (manifest.json).
#include "image/archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "codec/json.h"
#include "codec/tar.h"
#include "image/reference.h"
#include "image/unpack.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

using codec::TarEntry;
using codec::TarType;

constexpr size_t kMaxJson = 16 << 20;

// Stores the content of every file by its digest.
class BlobReader final : public codec::TarHandler {
 public:
  explicit BlobReader(const Blobs& blobs) : blobs_(blobs) {}

  Result<void> begin_entry(const TarEntry& entry) override {
    KOBUK_TRY(name_, clean_entry_path(entry.name));
    if (entry.type == TarType::kSymlink || entry.type == TarType::kHardLink) {
      std::string target = entry.linkname;
      size_t slash = name_.rfind('/');
      if (entry.type == TarType::kSymlink && !target.starts_with('/') && slash != std::string::npos) target = cat(name_.substr(0, slash), '/', target);
      KOBUK_TRY(links[name_], clean_entry_path(target));
    }
    if (entry.type != TarType::kFile) return {};
    at_ = 0;
    size_ = entry.size;
    KOBUK_TRY(auto writer, blobs_.writer());
    writer_.emplace(std::move(writer));
    return {};
  }
  Result<void> content(uint64_t offset, std::string_view bytes) override {
    if (!writer_) return {};
    KOBUK_CHECK(fill(offset));
    at_ += bytes.size();
    return writer_->append(bytes);
  }
  Result<void> end_entry() override {
    if (!writer_) return {};
    KOBUK_CHECK(fill(size_));
    KOBUK_TRY(files[name_], writer_->commit({}));
    writer_.reset();
    return {};
  }

  std::map<std::string, codec::Digest> files;
  std::map<std::string, std::string> links;

 private:
  // Holes are zeroes in a blob.
  Result<void> fill(uint64_t to) {
    const std::string zeroes(64 << 10, '\0');
    while (at_ < to) {
      size_t count = static_cast<size_t>(std::min<uint64_t>(to - at_, zeroes.size()));
      KOBUK_CHECK(writer_->append(std::string_view(zeroes).substr(0, count)));
      at_ += count;
    }
    return {};
  }
  const Blobs& blobs_;
  std::optional<Blobs::Writer> writer_;
  std::string name_;
  uint64_t at_ = 0, size_ = 0;
};

class Archive {
 public:
  Archive(const Blobs& blobs, BlobReader reader) : blobs_(blobs), reader_(std::move(reader)) {}

  bool has(const std::string& name) const { return reader_.files.contains(name); }
  Result<codec::Digest> digest(std::string name) const {
    for (int i = 0; i < 8; ++i) {
      auto link = reader_.links.find(name);
      if (link == reader_.links.end()) break;
      name = link->second;
    }
    auto found = reader_.files.find(name);
    if (found == reader_.files.end()) return fail(Code::kInvalid, "the archive refers to \"", name, "\", which it does not hold");
    return found->second;
  }
  Result<std::string> text(const std::string& name) const {
    KOBUK_TRY(codec::Digest found, digest(name));
    return blobs_.read(found, kMaxJson);
  }
  const std::map<std::string, codec::Digest>& files() const { return reader_.files; }

 private:
  const Blobs& blobs_;
  BlobReader reader_;
};

// A lone word is the name of an entry in its layout ("latest"), and no image's name.
std::vector<std::string> names_of(const Descriptor& entry) {
  for (const std::string& name : {entry.image_name, entry.reference_name}) {
    if (name.find_first_of(":/") == std::string::npos) continue;
    auto reference = parse_reference(name);
    if (reference && reference->digest.empty()) return {full(*reference)};
  }
  return {};
}

Result<std::vector<ArchivedImage>> read_layout(const Archive& archive) {
  KOBUK_TRY(std::string text, archive.text("index.json"));
  KOBUK_TRY(Content content, parse_content(text, media::kOciIndex));
  if (!content.index) return fail(Code::kInvalid, "index.json is no image index");
  for (const auto& [name, digest] : archive.files()) {
    bool blob = name.starts_with("blobs/sha256/");
    if (blob && name.substr(13) != digest.hex()) return fail(Code::kDataLoss, "the archive's ", name, " has the digest ", digest.text());
  }
  std::vector<ArchivedImage> out;
  std::map<std::string, size_t> seen;
  for (const Descriptor& entry : content.index->manifests) {
    if (entry.attestation) continue;
    auto [found, fresh] = seen.emplace(entry.digest.text(), out.size());
    if (fresh) out.push_back({entry.digest, {}});
    for (std::string& name : names_of(entry)) out[found->second].tags.push_back(std::move(name));
  }
  return out;
}

Result<Descriptor> describe(const Blobs& blobs, const codec::Digest& digest, std::string_view media_type) {
  Descriptor out;
  out.media_type = media_type;
  out.digest = digest;
  KOBUK_TRY(out.size, blobs.size(digest));
  return out;
}

Result<Descriptor> describe_layer(const Blobs& blobs, const codec::Digest& digest) {
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(blobs.path(digest), O_RDONLY));
  char magic[codec::kCompressionMagicSize];
  ssize_t got = ::read(fd.get(), magic, sizeof magic);
  auto compression = codec::detect_compression(std::string_view(magic, got > 0 ? static_cast<size_t>(got) : 0));
  return describe(blobs, digest, layer_media_type(compression));
}

Result<ArchivedImage> read_docker_image(const Blobs& blobs, const Archive& archive, const codec::Value& image) {
  ArchivedImage out;
  KOBUK_TRY(std::string config_name, clean_entry_path(image["Config"].as_string()));
  KOBUK_TRY(codec::Digest config_digest, archive.digest(config_name));
  KOBUK_TRY(Descriptor config, describe(blobs, config_digest, media::kOciConfig));
  std::vector<Descriptor> layers;
  if (image["Layers"].size() > kMaxLayers) return fail(Code::kTooLarge, "manifest.json: more than ", kMaxLayers, " layers");
  for (size_t i = 0; i < image["Layers"].size(); ++i) {
    KOBUK_TRY(std::string name, clean_entry_path(image["Layers"].at(i).as_string()));
    KOBUK_TRY(codec::Digest digest, archive.digest(name));
    KOBUK_TRY(Descriptor layer, describe_layer(blobs, digest));
    layers.push_back(std::move(layer));
  }
  for (size_t i = 0; i < image["RepoTags"].size(); ++i) {
    KOBUK_TRY(Reference reference, parse_reference(image["RepoTags"].at(i).as_string()));
    if (reference.digest.empty()) out.tags.push_back(full(reference));
  }
  KOBUK_TRY(out.manifest, blobs.write(write_manifest(media::kOciManifest, config, layers)));
  return out;
}

Result<std::vector<ArchivedImage>> read_docker_archive(const Blobs& blobs, const Archive& archive) {
  KOBUK_TRY(std::string text, archive.text("manifest.json"));
  KOBUK_TRY(codec::Document document, codec::parse_json(text, {.max_bytes = kMaxJson, .max_depth = 16}));
  std::vector<ArchivedImage> out;
  for (size_t i = 0; i < document.root.size(); ++i) {
    auto image = read_docker_image(blobs, archive, document.root.at(i));
    if (!image) return fail(std::move(image).error().context("manifest.json, image ", i));
    out.push_back(*std::move(image));
  }
  return out;
}

Result<void> feed_file(const std::string& path, codec::Decompressor& decompressor, const codec::ByteSink& sink) {
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(path, O_RDONLY));
  std::string buffer(1 << 20, '\0');
  while (true) {
    ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, cat("read ", path));
    if (got == 0) return decompressor.finish(sink);
    KOBUK_CHECK(decompressor.feed(std::string_view(buffer).substr(0, static_cast<size_t>(got)), sink));
  }
}

}  // namespace

Result<std::vector<ArchivedImage>> read_archive(const std::shared_ptr<Blobs>& blobs, const std::string& path) {
  BlobReader reader(*blobs);
  codec::TarReader tar(reader, {.max_entries = 200'000});
  auto decompressor = codec::make_decompressor(codec::Compression::kDetect);
  auto sink = [&tar](std::string_view bytes) { return tar.feed(bytes); };
  KOBUK_CHECK(feed_file(path, *decompressor, sink));
  KOBUK_CHECK(tar.finish());
  Archive archive(*blobs, std::move(reader));
  if (archive.has("index.json") && archive.has("oci-layout")) return read_layout(archive);
  if (archive.has("manifest.json")) return read_docker_archive(*blobs, archive);
  return fail(Code::kInvalid, path, " is neither a docker archive (manifest.json) nor an OCI layout (index.json and oci-layout)");
}

}  // namespace kobuk::image
