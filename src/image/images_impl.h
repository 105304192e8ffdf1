// The state behind Images, shared by its .cc files. Internal to image.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "image/images.h"
#include "image/layers.h"
#include "image/manifest.h"
#include "image/records.h"
#include "image/registry_client.h"

namespace kobuk::image {

// One layer on its way into the store. Whoever needs it waits for `done`; the first to need it started it. When the
// last that waited has gone, it is given up.
struct LayerJob {
  explicit LayerJob(io::Loop& loop) : done(loop), task(loop) {}
  io::Event done;
  Result<void> result;
  std::map<uint64_t, OnProgress> watchers;
  PullProgress last;
  uint64_t next_watcher = 1;
  void report(std::string_view status, int64_t current = 0, int64_t total = 0);
  io::TaskGroup task;  // holds the one task that fills the layer; it refers to this job without owning it
};

// A layer that an image needs.
struct WantedLayer {
  Descriptor blob;
  codec::Digest diff_id;
};

class ImagesImpl final : public Images {
 public:
  ImagesImpl(io::Loop& loop, Options options, std::shared_ptr<Blobs> blobs);
  ~ImagesImpl() override;

  io::Task<Result<ImageInfo>> pull(PullRequest request) override;
  io::Task<Result<void>> push(PushRequest request) override;
  Result<ImageInfo> find(const std::string& name) const override;
  std::vector<ImageInfo> list() const override;
  Result<void> tag(const std::string& source, const std::string& target) override;
  io::Task<Result<Removed>> remove(std::string name, bool force) override;
  void set_in_use(std::function<bool(const std::string& id)> in_use) override { in_use_ = std::move(in_use); }
  io::Task<Result<std::vector<std::string>>> layers(std::string id) override;
  io::Task<Result<std::vector<std::string>>> load(std::string tar_path) override;
  io::Task<Result<void>> save(std::vector<std::string> names, std::string tar_path) override;
  io::Task<Result<ImageInfo>> import(std::string tar_path, std::string reference, std::string config) override;

  // Reads images.json, drops what is not whole, collects what no image needs.
  Result<void> read_records();

 private:
  struct Stored {
    ImageRecord record;
    Manifest manifest;
    ConfigFile config;
    int64_t size = 0;
  };
  // Content that somebody works on and collect() must leave alone.
  class Pin {
   public:
    explicit Pin(ImagesImpl& images) : images_(&images) {}
    Pin(const Pin&) = delete;
    ~Pin();
    void add(const codec::Digest& digest);

   private:
    ImagesImpl* images_;
    std::vector<std::string> digests_;
  };
  // Nothing at all is collected: for work that learns only at its end what it has brought.
  class Hold {
   public:
    explicit Hold(ImagesImpl& images) : images_(&images) { ++images_->holds_; }
    Hold(const Hold&) = delete;
    ~Hold() {
      if (--images_->holds_ == 0) images_->collect();
    }

   private:
    ImagesImpl* images_;
  };
  // One of the places for downloads.
  class Slot;
  class JobWait;

  // images.cc
  Result<Stored> read_stored(const ImageRecord& record) const;
  ImageInfo info_of(const Stored& stored) const;
  const Stored* find_stored(const std::string& name) const;
  Result<const Stored*> lookup(const std::string& name) const;
  // Replaces the set of records, on disk first; in memory only when that worked.
  Result<void> commit_records(std::map<std::string, Stored> next);
  static void untag_everywhere(std::map<std::string, Stored>& images, const std::string& tag);
  Result<ImageInfo> add_image(Stored stored, const std::vector<std::string>& tags, const std::vector<std::string>& repo_digests);
  void collect();
  std::set<std::string> live() const;
  Result<Removed> remove_by_reference(const Stored& stored, const Reference& reference, bool force);
  Result<Removed> remove_by_id(const Stored& stored, bool force);
  io::Task<void> empty_trash();

  // images_pull.cc
  struct Resolved;
  struct LayersLeft;
  io::Task<Result<void>> resolve(std::shared_ptr<Repository> repository, PullRequest request, std::shared_ptr<Resolved> out);
  io::Task<Result<std::string>> fetch_config(std::shared_ptr<Repository> repository, Descriptor descriptor);
  io::Task<Result<void>> ensure_layers(std::shared_ptr<Repository> repository, std::vector<WantedLayer> layers, OnProgress progress);
  io::Task<void> ensure_layer(std::shared_ptr<Repository> repository, WantedLayer layer, OnProgress progress, std::shared_ptr<LayersLeft> left);
  io::Task<void> run_job(LayerJob* job, std::string key, std::shared_ptr<Repository> repository, WantedLayer layer);
  io::Task<Result<void>> fetch_layer(LayerJob* job, std::shared_ptr<Repository> repository, WantedLayer layer);
  io::Task<Result<void>> download(LayerJob* job, std::shared_ptr<Repository> repository, WantedLayer layer);
  io::Task<Result<ImageInfo>> record_pulled(PullRequest request, std::shared_ptr<Resolved> resolved);
  bool layer_present(const WantedLayer& layer) const { return blobs_->has(layer.blob.digest) && has_layer(*blobs_, layer.diff_id); }
  UnpackLimits limits() const { return {.max_bytes = options_.max_layer_bytes}; }

  // images_push.cc
  io::Task<Result<void>> push_blob(std::shared_ptr<Repository> repository, Descriptor blob, std::vector<std::string> mount_from, OnProgress progress);

  // images_archive.cc: makes the image that the stored blobs of `manifest` are, unpacking what is not yet.
  io::Task<Result<ImageInfo>> store_image(codec::Digest manifest, codec::Digest index, std::vector<std::string> tags);

  io::Loop& loop_;
  Options options_;
  std::shared_ptr<Blobs> blobs_;
  Registries registries_;
  std::map<std::string, Stored> images_;  // by id
  std::map<std::string, int> pins_;
  std::map<std::string, std::shared_ptr<LayerJob>> jobs_;  // by blob digest and diff id
  std::function<bool(const std::string& id)> in_use_;
  int free_slots_;
  io::Event slot_freed_;
  bool emptying_trash_ = false;
  int holds_ = 0;
  io::TaskGroup tasks_;  // last: its tasks use the members above
};

}  // namespace kobuk::image
