// Pushing: layers that the registry does not have, the config, then the manifest as it was pulled or made.
#include "image/file_source.h"
#include "image/images_impl.h"

namespace kobuk::image {
namespace {

void report(const OnProgress& progress, std::string id, std::string status, int64_t current = 0, int64_t total = 0) {
  if (progress) progress({.id = std::move(id), .status = std::move(status), .current = current, .total = total});
}

// Tells how far an upload is.
class ReportingSource final : public io::http::BodySource {
 public:
  ReportingSource(std::unique_ptr<io::http::BodySource> source, OnProgress progress, std::string id, int64_t at, int64_t total)
      : source_(std::move(source)), progress_(std::move(progress)), id_(std::move(id)), at_(at), total_(total) {}
  io::Task<Result<std::string>> next() override {
    auto piece = co_await source_->next();
    if (piece && !piece->empty()) report(progress_, id_, "Pushing", at_ += static_cast<int64_t>(piece->size()), total_);
    co_return piece;
  }

 private:
  std::unique_ptr<io::http::BodySource> source_;
  OnProgress progress_;
  std::string id_;
  int64_t at_, total_;
};

}  // namespace

io::Task<Result<void>> ImagesImpl::push_blob(std::shared_ptr<Repository> repository, Descriptor blob, std::vector<std::string> mount_from, OnProgress progress) {
  std::string id(blob.digest.short_hex());
  KOBUK_CO_TRY(bool there, co_await repository->has_blob(blob.digest));
  if (there) {
    report(progress, id, "Layer already exists");
    co_return Result<void>();
  }
  for (const std::string& from : mount_from) {
    KOBUK_CO_TRY(bool mounted, co_await repository->mount_blob(blob.digest, from));
    if (!mounted) continue;
    report(progress, id, cat("Mounted from ", from));
    co_return Result<void>();
  }
  KOBUK_CO_TRY(int64_t size, blobs_->size(blob.digest));
  auto source = [this, path = blobs_->path(blob.digest), size, progress, id](uint64_t offset) -> Result<std::unique_ptr<io::http::BodySource>> {
    KOBUK_TRY(auto bytes, open_file_source(loop_, path, offset, static_cast<uint64_t>(size) - offset));
    return std::make_unique<ReportingSource>(std::move(bytes), progress, id, static_cast<int64_t>(offset), size);
  };
  KOBUK_CO_CHECK(co_await repository->upload(blob.digest, static_cast<uint64_t>(size), source));
  report(progress, id, "Pushed");
  co_return Result<void>();
}

io::Task<Result<void>> ImagesImpl::push(PushRequest request) {
  KOBUK_CO_TRY(Reference reference, parse_reference(request.reference));
  const Stored* stored = find_stored(full(reference));
  if (stored == nullptr) co_return fail(Code::kNotFound, "An image does not exist locally with the tag: ", familiar_name(reference));
  if (!reference.digest.empty()) co_return fail(Code::kInvalid, "cannot push a digest reference");
  report(request.progress, "", cat("The push refers to repository [", full_name(reference), ']'));
  Manifest manifest = stored->manifest;
  codec::Digest manifest_digest = stored->record.manifest, id = stored->record.id;
  Pin pin(*this);
  pin.add(manifest_digest);
  pin.add(manifest.config.digest);
  std::vector<std::string> mount_from;  // other repositories of this registry that had the image
  for (const std::string& name : stored->record.repo_digests) {
    auto other = parse_reference(name);
    if (other && other->domain == reference.domain && other->path != reference.path) mount_from.push_back(other->path);
  }
  for (const Descriptor& layer : manifest.layers) {
    pin.add(layer.digest);
    report(request.progress, std::string(layer.digest.short_hex()), "Preparing");
  }
  auto repository = registries_.repository(reference, request.credentials, Access::kPush);
  for (const Descriptor& layer : manifest.layers) KOBUK_CO_CHECK(co_await push_blob(repository, layer, mount_from, request.progress));
  KOBUK_CO_CHECK(co_await push_blob(repository, manifest.config, {}, nullptr));
  KOBUK_CO_TRY(std::string bytes, blobs_->read(manifest_digest, kMaxManifest));
  size_t size = bytes.size();
  KOBUK_CO_TRY(codec::Digest digest, co_await repository->put_manifest(reference.tag, manifest.media_type, std::move(bytes)));
  report(request.progress, "", cat(reference.tag, ": digest: ", digest.text(), " size: ", size));
  // From now on the image is known by what the registry has.
  auto still = images_.find(id.text());
  if (still == images_.end()) co_return Result<void>();
  Stored again = still->second;
  KOBUK_CO_CHECK(add_image(std::move(again), {}, {cat(full_name(reference), '@', digest.text())}));
  co_return Result<void>();
}

}  // namespace kobuk::image
