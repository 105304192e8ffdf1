// Pulling: the manifest, then all layers in parallel, each unpacked while it comes; the record last.
#include "image/images_impl.h"
#include "image/layer_pipe.h"
#include "image/until_stalled.h"

namespace kobuk::image {
namespace {

constexpr int kDownloadTries = 6;
constexpr int kMaxIndexDepth = 3;
constexpr auto kProgressStep = std::chrono::milliseconds(100);
constexpr Duration kPatience = std::chrono::seconds(60);

void report(const OnProgress& progress, PullProgress line) {
  if (progress) progress(line);
}

bool may_pass(const Error& error) { return error.code() == Code::kUnavailable || error.code() == Code::kTimeout || error.code() == Code::kInternal; }

io::Task<Result<void>> pump(BlobBody blob, LayerPipe* pipe, LayerJob* job, io::Loop* loop, int64_t total, std::shared_ptr<uint64_t> moved) {
  uint64_t skip = pipe->accepted() - blob.offset;  // of what an earlier try has brought already
  MonoTime told = loop->mono();
  while (true) {
    KOBUK_CO_TRY(std::string piece, co_await blob.body.next());
    if (piece.empty()) co_return Result<void>();
    *moved += piece.size();
    if (skip > 0) {
      size_t cut = static_cast<size_t>(std::min<uint64_t>(skip, piece.size()));
      piece.erase(0, cut);
      skip -= cut;
      if (piece.empty()) continue;
    }
    KOBUK_CO_CHECK(co_await pipe->push(std::move(piece)));
    if (loop->mono() - told < kProgressStep) continue;
    told = loop->mono();
    job->report("Downloading", static_cast<int64_t>(pipe->accepted()), total);
  }
}

}  // namespace

void LayerJob::report(std::string_view status, int64_t current, int64_t total) {
  last.status = status;
  last.current = current;
  last.total = total;
  auto all = watchers;  // one may be added or go while they are called
  for (const auto& [id, watcher] : all) image::report(watcher, last);
}

class ImagesImpl::Slot {
 public:
  explicit Slot(ImagesImpl& images) : images_(&images) { --images_->free_slots_; }
  Slot(const Slot&) = delete;
  ~Slot() {
    ++images_->free_slots_;
    images_->slot_freed_.set();
  }

 private:
  ImagesImpl* images_;
};

// One that waits for a job; the last to leave an unfinished one ends it.
class ImagesImpl::JobWait {
 public:
  JobWait(ImagesImpl& images, std::string key, std::shared_ptr<LayerJob> job, OnProgress progress)
      : images_(&images), key_(std::move(key)), job_(std::move(job)), id_(job_->next_watcher++) {
    job_->watchers.emplace(id_, std::move(progress));
  }
  JobWait(const JobWait&) = delete;
  ~JobWait() {
    job_->watchers.erase(id_);
    auto found = images_->jobs_.find(key_);
    if (job_->watchers.empty() && found != images_->jobs_.end() && found->second == job_) images_->jobs_.erase(found);
  }

 private:
  ImagesImpl* images_;
  std::string key_;
  std::shared_ptr<LayerJob> job_;
  uint64_t id_;
};

struct ImagesImpl::Resolved {
  Fetched top;          // what the reference names
  codec::Digest index;  // the top, when it is an index
  std::string manifest_bytes;
  codec::Digest manifest_digest;
  Manifest manifest;
  std::string config_bytes;
  ConfigFile config;
  std::vector<WantedLayer> layers;
};

struct ImagesImpl::LayersLeft {
  explicit LayersLeft(io::Loop& loop) : changed(loop) {}
  size_t count = 0;
  Result<void> result;  // the first failure
  io::Event changed;
};

io::Task<Result<void>> ImagesImpl::resolve(std::shared_ptr<Repository> repository, PullRequest request, std::shared_ptr<Resolved> out) {
  KOBUK_CO_TRY(Platform wanted, parse_platform(request.platform));
  const Reference reference = repository->reference();
  std::string name = reference.digest.empty() ? reference.tag : reference.digest;
  KOBUK_CO_TRY(out->top, co_await repository->manifest(name));
  Fetched current = out->top;
  for (int depth = 0;; ++depth) {
    KOBUK_CO_TRY(Content content, parse_content(current.bytes, current.media_type));
    if (content.manifest) {
      out->manifest = *std::move(content.manifest);
      break;
    }
    if (depth >= kMaxIndexDepth) co_return fail(Code::kInvalid, "indexes within indexes, more than ", kMaxIndexDepth, " deep");
    out->index = out->top.digest;
    KOBUK_CO_TRY(Descriptor chosen, choose_platform(*content.index, wanted));
    KOBUK_CO_TRY(current, co_await repository->manifest(chosen.digest.text()));
  }
  out->manifest_bytes = std::move(current.bytes);
  out->manifest_digest = current.digest;
  KOBUK_CO_CHECK(check_is_image(out->manifest));
  KOBUK_CO_TRY(out->config_bytes, co_await fetch_config(repository, out->manifest.config));
  KOBUK_CO_TRY(out->config, parse_config(out->config_bytes));
  if (!request.platform.empty() && out->index.empty() && platform_rank(wanted, out->config.platform) == 0) {
    co_return fail(Code::kNotFound, "image with reference ", familiar(reference), " was found but its platform (", format_platform(out->config.platform),
                   ") does not match the specified platform (", format_platform(wanted), ")");
  }
  if (out->config.diff_ids.size() != out->manifest.layers.size()) {
    co_return fail(Code::kInvalid, "layers from manifest don't match image configuration: ", out->manifest.layers.size(), " and ", out->config.diff_ids.size());
  }
  for (size_t i = 0; i < out->manifest.layers.size(); ++i) {
    KOBUK_CO_TRY(codec::Digest diff_id, codec::Digest::parse(out->config.diff_ids[i]));
    out->layers.push_back({out->manifest.layers[i], diff_id});
  }
  co_return Result<void>();
}

io::Task<Result<std::string>> ImagesImpl::fetch_config(std::shared_ptr<Repository> repository, Descriptor descriptor) {
  if (blobs_->has(descriptor.digest)) {
    auto stored = blobs_->read(descriptor.digest, kMaxConfig);
    if (stored) co_return stored;
  }
  for (int attempt = 1;; ++attempt) {
    auto blob = co_await repository->blob(descriptor.digest, 0);
    Result<std::string> bytes = blob ? std::string() : Result<std::string>(fail(blob.error()));
    if (blob) bytes = co_await until_stalled(loop_, blob->body.read_all(kMaxConfig), kPatience, nullptr, "read the image's config");
    if (bytes && codec::Digest::of(*bytes, descriptor.digest.algorithm()) != descriptor.digest) {
      co_return fail(Code::kDataLoss, "image config verification failed for digest ", descriptor.digest.text());
    }
    if (bytes || attempt >= kDownloadTries || !may_pass(bytes.error())) co_return bytes;
    co_await loop_.sleep(options_.retry_backoff * (1 << attempt));
  }
}

io::Task<Result<ImageInfo>> ImagesImpl::pull(PullRequest request) {
  KOBUK_CO_TRY(Reference reference, parse_reference(request.reference));
  auto repository = registries_.repository(reference, request.credentials, Access::kPull);
  report(request.progress, {.id = reference.digest.empty() ? reference.tag : "", .status = cat("Pulling from ", reference.path)});
  auto resolved = std::make_shared<Resolved>();
  Pin pin(*this);
  KOBUK_CO_CHECK(co_await resolve(repository, request, resolved));
  pin.add(resolved->manifest_digest);
  pin.add(resolved->top.digest);
  pin.add(resolved->manifest.config.digest);
  for (const WantedLayer& layer : resolved->layers) {
    pin.add(layer.blob.digest);
    pin.add(layer.diff_id);
  }
  KOBUK_CO_CHECK(co_await ensure_layers(repository, resolved->layers, request.progress));
  auto image = co_await record_pulled(std::move(request), resolved);
  co_return image;
}

io::Task<Result<ImageInfo>> ImagesImpl::record_pulled(PullRequest request, std::shared_ptr<Resolved> resolved) {
  KOBUK_CO_TRY(Reference reference, parse_reference(request.reference));
  ImageRecord record{.id = resolved->manifest.config.digest, .manifest = resolved->manifest_digest, .index = resolved->index};
  auto known = images_.find(record.id.text());
  bool changed = known == images_.end() || known->second.record.manifest != record.manifest || known->second.record.index != record.index;
  if (changed) {
    auto store = [blobs = blobs_, resolved]() -> Result<void> {
      KOBUK_CHECK(blobs->write(resolved->config_bytes, resolved->manifest.config.digest));
      KOBUK_CHECK(blobs->write(resolved->manifest_bytes, resolved->manifest_digest));
      KOBUK_CHECK(blobs->write(resolved->top.bytes, resolved->top.digest));
      return blobs->sync_all();
    };
    KOBUK_CO_CHECK(co_await loop_.offload("store image", store));
  }
  KOBUK_CO_TRY(Stored stored, read_stored(record));
  std::vector<std::string> tags, digests = {cat(full_name(reference), '@', resolved->top.digest.text())};
  if (reference.digest.empty()) tags.push_back(full(reference));
  KOBUK_CO_TRY(ImageInfo image, add_image(std::move(stored), tags, digests));
  if (changed) collect();  // the manifest of before
  report(request.progress, {.status = cat("Digest: ", resolved->top.digest.text())});
  report(request.progress, {.status = cat("Status: ", changed ? "Downloaded newer image for " : "Image is up to date for ", familiar(reference))});
  co_return image;
}

io::Task<Result<void>> ImagesImpl::ensure_layers(std::shared_ptr<Repository> repository, std::vector<WantedLayer> layers, OnProgress progress) {
  for (const WantedLayer& layer : layers) {
    report(progress, {.id = std::string(layer.blob.digest.short_hex()), .status = layer_present(layer) ? "Already exists" : "Pulling fs layer"});
  }
  auto left = std::make_shared<LayersLeft>(loop_);
  io::TaskGroup group(loop_);
  for (const WantedLayer& layer : layers) {
    if (layer_present(layer)) continue;
    ++left->count;
    group.spawn(ensure_layer(repository, layer, progress, left));
  }
  while (left->count > 0 && left->result) {
    left->changed.reset();
    co_await left->changed.wait();
  }
  co_return left->result;  // after a failure the others are given up, unless another pull waits for them
}

io::Task<void> ImagesImpl::ensure_layer(std::shared_ptr<Repository> repository, WantedLayer layer, OnProgress progress, std::shared_ptr<LayersLeft> left) {
  std::string key = cat(layer.blob.digest.text(), ' ', layer.diff_id.text());
  while (true) {
    auto& entry = jobs_[key];
    bool mine = entry == nullptr;
    if (mine) {
      entry = std::make_shared<LayerJob>(loop_);
      entry->last.id = layer.blob.digest.short_hex();
      entry->task.spawn(run_job(entry.get(), key, repository, layer));
    }
    auto job = entry;
    JobWait wait(*this, key, job, progress);
    co_await job->done.wait();
    // Whoever started it may have had no right to what this pull may have, or a worse registry: once more as oneself.
    if (!job->result && !mine) continue;
    if (!job->result && left->result) left->result = job->result;
    --left->count;
    left->changed.set();
    co_return;
  }
}

io::Task<void> ImagesImpl::run_job(LayerJob* job, std::string key, std::shared_ptr<Repository> repository, WantedLayer layer) {
  if (free_slots_ == 0) job->report("Waiting");
  while (free_slots_ == 0) {
    slot_freed_.reset();
    co_await slot_freed_.wait();
  }
  Slot slot(*this);
  job->result = co_await fetch_layer(job, repository, layer);
  jobs_.erase(key);  // those who wait hold the job
  job->done.set();
}

io::Task<Result<void>> ImagesImpl::fetch_layer(LayerJob* job, std::shared_ptr<Repository> repository, WantedLayer layer) {
  if (layer_present(layer)) co_return Result<void>();
  if (blobs_->has(layer.blob.digest)) {
    job->report("Extracting", 0, layer.blob.size);
    auto unpack = [blobs = blobs_, layer, limits = limits()] { return unpack_blob(blobs, layer.blob.digest, layer.diff_id, limits); };
    auto unpacked = co_await loop_.offload("unpack layer", unpack);
    if (unpacked) {
      job->report("Pull complete");
      co_return Result<void>();
    }
    if (unpacked.error().code() != Code::kDataLoss) co_return fail(std::move(unpacked).error());
    KOBUK_CO_CHECK(blobs_->discard(layer.blob.digest));  // the stored bytes are not what they were: fetched anew
  }
  auto downloaded = co_await download(job, repository, layer);
  co_return downloaded;
}

io::Task<Result<void>> ImagesImpl::download(LayerJob* job, std::shared_ptr<Repository> repository, WantedLayer layer) {
  LayerIngest::Options options{.digest = layer.blob.digest, .diff_id = layer.diff_id, .size = layer.blob.size, .unpack = !has_layer(*blobs_, layer.diff_id), .limits = limits()};
  auto create = [blobs = blobs_, options] { return LayerIngest::create(blobs, options); };
  KOBUK_CO_TRY(auto ingest, co_await loop_.offload("begin layer", create));
  LayerPipe pipe(loop_, std::move(ingest));
  auto total = layer.blob.size;
  job->report("Downloading", 0, total);
  for (int attempt = 1; pipe.accepted() < static_cast<uint64_t>(total); ++attempt) {
    uint64_t before = pipe.accepted();
    auto blob = co_await repository->blob(layer.blob.digest, before);
    Result<void> pumped = blob ? Result<void>() : Result<void>(fail(blob.error()));
    if (blob) {
      auto moved = std::make_shared<uint64_t>(0);
      pumped = co_await until_stalled(loop_, pump(*std::move(blob), &pipe, job, &loop_, total, moved), kPatience, moved, cat("blob ", layer.blob.digest.text()));
      if (pumped && pipe.accepted() < static_cast<uint64_t>(total)) pumped = fail(Code::kUnavailable, "blob ", layer.blob.digest.text(), ": it ended early");
    }
    if (pumped) break;
    if (pipe.failed() || !may_pass(pumped.error())) co_return pumped;
    if (pipe.accepted() > before) attempt = 1;  // what moves on is not given up
    if (attempt >= kDownloadTries) co_return pumped;
    job->report("Retrying");
    co_await loop_.sleep(options_.retry_backoff * (1 << attempt));
  }
  job->report("Verifying Checksum");
  KOBUK_CO_TRY(auto finished, co_await pipe.finish());
  job->report("Download complete");
  job->report("Extracting", finished.blob_size, total);
  job->report("Pull complete");
  co_return Result<void>();
}

}  // namespace kobuk::image
