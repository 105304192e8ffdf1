// Unpacked layers by diff id, and the way of a layer into them: compressed bytes in, a verified blob and a verified
// directory out, in one pass.
//
//   KOBUK_TRY(auto ingest, LayerIngest::create(blobs, {.digest = descriptor.digest, .diff_id = diff_id}));
//   for (each piece of the download) KOBUK_CHECK(ingest->feed(piece));
//   KOBUK_CHECK(ingest->finish());                     // now has_layer(*blobs, diff_id)
//
// A layer's directory is layers/<hex of the diff id>/fs. It stands by a rename of the finished tree, so that kill -9
// leaves none half-made; after a power loss it is whole if Blobs::sync_all() returned before. Blocking; LayerIngest
// is for one thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "codec/compress.h"
#include "image/blobs.h"
#include "image/unpack.h"

namespace kobuk::image {

std::string layer_path(const Blobs& blobs, const codec::Digest& diff_id);  // "…/layers/<hex>"
std::string layer_root(const Blobs& blobs, const codec::Digest& diff_id);  // "…/layers/<hex>/fs"
bool has_layer(const Blobs& blobs, const codec::Digest& diff_id);
Result<int64_t> layer_size(const Blobs& blobs, const codec::Digest& diff_id);  // bytes of its files

class LayerIngest {
 public:
  struct Options {
    codec::Digest digest;   // of the bytes as they come; empty: not checked
    codec::Digest diff_id;  // of the tar; empty: not checked
    int64_t size = -1;      // of the bytes as they come, when known
    bool store_blob = true, unpack = true;
    UnpackLimits limits;
  };
  struct Finished {
    codec::Digest digest, diff_id;
    int64_t blob_size = 0, size = 0;
    codec::Compression compression = codec::Compression::kNone;
  };
  static Result<std::shared_ptr<LayerIngest>> create(std::shared_ptr<Blobs> blobs, Options options);
  ~LayerIngest();  // what was not finished is removed

  Result<void> feed(std::string_view bytes);
  // kDataLoss when a digest or the size differs; nothing stays then.
  Result<Finished> finish();
  int64_t received() const { return received_; }

 private:
  LayerIngest(std::shared_ptr<Blobs> blobs, Options options);
  Result<void> settle_layer(const codec::Digest& diff_id, int64_t size);

  std::shared_ptr<Blobs> blobs_;
  Options options_;
  std::optional<Blobs::Writer> writer_;
  codec::Hasher hasher_;       // when there is no writer
  codec::Hasher diff_hasher_;
  std::unique_ptr<codec::Decompressor> decompressor_;
  std::unique_ptr<Unpacker> unpacker_;
  codec::ByteSink sink_;
  std::string temporary_;      // the folder that becomes layers/<hex>
  std::string magic_;          // the first bytes, which name the compression
  int64_t received_ = 0;
};

// A stored blob into its layer.
Result<LayerIngest::Finished> unpack_blob(std::shared_ptr<Blobs> blobs, const codec::Digest& digest, const codec::Digest& diff_id,
                                          const UnpackLimits& limits);

}  // namespace kobuk::image
