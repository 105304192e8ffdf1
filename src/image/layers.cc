// OCI image-spec 1.1: layer.md; the diff id is the digest of the uncompressed tar (config.md).
#include "image/layers.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"

namespace kobuk::image {

std::string layer_path(const Blobs& blobs, const codec::Digest& diff_id) { return cat(blobs.directory(), "/layers/", diff_id.hex()); }
std::string layer_root(const Blobs& blobs, const codec::Digest& diff_id) { return cat(layer_path(blobs, diff_id), "/fs"); }
bool has_layer(const Blobs& blobs, const codec::Digest& diff_id) { return !diff_id.empty() && sys::exists(layer_path(blobs, diff_id)); }

Result<int64_t> layer_size(const Blobs& blobs, const codec::Digest& diff_id) {
  KOBUK_TRY(std::string text, sys::read_file(cat(layer_path(blobs, diff_id), "/size"), 64));
  auto size = parse_int(trim(text));
  if (!size) return fail(Code::kDataLoss, "layer ", diff_id.text(), ": its size is unreadable");
  return *size;
}

LayerIngest::LayerIngest(std::shared_ptr<Blobs> blobs, Options options)
    : blobs_(std::move(blobs)),
      options_(std::move(options)),
      hasher_(options_.digest.algorithm()),
      diff_hasher_(options_.diff_id.algorithm()),
      decompressor_(codec::make_decompressor(codec::Compression::kDetect, {.max_output = options_.limits.max_bytes})) {
  sink_ = [this](std::string_view bytes) -> Result<void> {
    diff_hasher_.update(bytes);
    return unpacker_ ? unpacker_->feed(bytes) : Result<void>();
  };
}

LayerIngest::~LayerIngest() {
  unpacker_ = nullptr;
  if (temporary_.empty()) return;
  // What can't be removed here is thrown away by the next open().
  [[maybe_unused]] auto removed = sys::remove_tree(temporary_);
}

Result<std::shared_ptr<LayerIngest>> LayerIngest::create(std::shared_ptr<Blobs> blobs, Options options) {
  std::shared_ptr<LayerIngest> out(new LayerIngest(std::move(blobs), std::move(options)));
  if (out->options_.store_blob) {
    KOBUK_TRY(auto writer, out->blobs_->writer(out->options_.digest.algorithm()));
    out->writer_ = std::move(writer);
  }
  if (out->options_.unpack) {
    KOBUK_CHECK(sys::make_directories(cat(out->blobs_->directory(), "/layers"), 0711));
    out->temporary_ = out->blobs_->temporary("layer");
    KOBUK_CHECK(sys::make_directories(out->temporary_, 0711));
    KOBUK_TRY(out->unpacker_, Unpacker::create(cat(out->temporary_, "/fs"), out->options_.limits));
  }
  return out;
}

Result<void> LayerIngest::feed(std::string_view bytes) {
  received_ += static_cast<int64_t>(bytes.size());
  if (options_.size >= 0 && received_ > options_.size) {
    return fail(Code::kDataLoss, "layer ", options_.digest.text(), ": more than the ", options_.size, " bytes that its descriptor says");
  }
  if (magic_.size() < codec::kCompressionMagicSize) magic_ += bytes.substr(0, codec::kCompressionMagicSize - magic_.size());
  if (writer_) {
    KOBUK_CHECK(writer_->append(bytes));
  } else {
    hasher_.update(bytes);
  }
  return decompressor_->feed(bytes, sink_);
}

Result<LayerIngest::Finished> LayerIngest::finish() {
  if (options_.size >= 0 && received_ != options_.size) {
    return fail(Code::kDataLoss, "layer ", options_.digest.text(), ": ", received_, " bytes, its descriptor says ", options_.size);
  }
  KOBUK_CHECK(decompressor_->finish(sink_));
  Finished out;
  out.blob_size = received_;
  out.compression = codec::detect_compression(magic_);
  if (unpacker_) {
    KOBUK_TRY(out.size, unpacker_->finish());
  }
  out.diff_id = diff_hasher_.finish();
  if (!options_.diff_id.empty() && out.diff_id != options_.diff_id) {
    return fail(Code::kDataLoss, "layers from manifest don't match image configuration: the layer unpacks to ", out.diff_id.text(), ", not ",
                options_.diff_id.text());
  }
  if (writer_) {
    KOBUK_TRY(out.digest, writer_->commit(options_.digest));
  } else {
    out.digest = hasher_.finish();
    if (!options_.digest.empty() && out.digest != options_.digest) {
      return fail(Code::kDataLoss, "filesystem layer verification failed for digest ", options_.digest.text());
    }
  }
  if (unpacker_) KOBUK_CHECK(settle_layer(out.diff_id, out.size));
  return out;
}

Result<void> LayerIngest::settle_layer(const codec::Digest& diff_id, int64_t size) {
  unpacker_ = nullptr;
  KOBUK_CHECK(sys::write_file(cat(temporary_, "/size"), cat(size, '\n'), 0600));
  std::string to = layer_path(*blobs_, diff_id);
  if (rename(temporary_.c_str(), to.c_str()) != 0) {
    // The same layer came by another way meanwhile: that one is as good.
    if (errno != EEXIST && errno != ENOTEMPTY) return fail_errno(errno, cat("rename to ", to));
    return {};
  }
  temporary_.clear();
  return {};
}

Result<LayerIngest::Finished> unpack_blob(std::shared_ptr<Blobs> blobs, const codec::Digest& digest, const codec::Digest& diff_id,
                                          const UnpackLimits& limits) {
  KOBUK_TRY(sys::UniqueFd blob, sys::open_file(blobs->path(digest), O_RDONLY));
  KOBUK_TRY(auto ingest, LayerIngest::create(blobs, {.digest = digest, .diff_id = diff_id, .store_blob = false, .limits = limits}));
  std::string buffer(1u << 20, '\0');
  while (true) {
    ssize_t got = ::read(blob.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, cat("read blob ", digest.text()));
    if (got == 0) return ingest->finish();
    KOBUK_CHECK(ingest->feed(std::string_view(buffer).substr(0, static_cast<size_t>(got))));
  }
}

}  // namespace kobuk::image
