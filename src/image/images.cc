// What images there are: names, look-ups, removal and the collection of what no image needs.
#include "image/images.h"

#include <algorithm>
#include <tuple>

#include "base/log.h"
#include "codec/json.h"
#include "image/images_impl.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

std::string no_such_image(const std::string& name) {
  auto reference = parse_reference(name);
  return cat("No such image: ", reference ? familiar(*reference) : name);
}

// "name:tag" or "name@digest" in the familiar form.
std::string familiar_text(const std::string& full_name) {
  auto reference = parse_reference(full_name);
  return reference ? familiar(*reference) : full_name;
}

std::string repository_of(const std::string& full_name) {
  auto reference = parse_reference(full_name);
  return reference ? image::full_name(*reference) : full_name;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

Result<std::unique_ptr<Images>> Images::open(io::Loop& loop, Options options) {
  KOBUK_TRY(auto blobs, Blobs::open(options.directory));
  KOBUK_CHECK(sys::make_directories(cat(options.directory, "/empty"), 0755));
  KOBUK_CHECK(sys::make_directories(cat(options.directory, "/layers"), 0711));
  auto images = std::make_unique<ImagesImpl>(loop, std::move(options), std::move(blobs));
  KOBUK_CHECK(images->read_records());
  return images;
}

ImagesImpl::ImagesImpl(io::Loop& loop, Options options, std::shared_ptr<Blobs> blobs)
    : loop_(loop),
      options_(std::move(options)),
      blobs_(std::move(blobs)),
      registries_(loop, {.mirrors = options_.mirrors,
                         .insecure_registries = options_.insecure_registries,
                         .certificates_directory = options_.certificates_directory,
                         .backoff = options_.retry_backoff}),
      free_slots_(std::max(1, options_.parallel_layers)),
      slot_freed_(loop),
      tasks_(loop) {}

// Jobs hold slots, which go before them otherwise.
ImagesImpl::~ImagesImpl() { jobs_.clear(); }

ImagesImpl::Pin::~Pin() {
  for (const std::string& digest : digests_) {
    auto found = images_->pins_.find(digest);
    if (--found->second == 0) images_->pins_.erase(found);
  }
}
void ImagesImpl::Pin::add(const codec::Digest& digest) {
  ++images_->pins_[digest.text()];
  digests_.push_back(digest.text());
}

Result<void> ImagesImpl::read_records() {
  std::string path = cat(options_.directory, "/images.json");
  std::vector<ImageRecord> records;
  if (sys::exists(path)) {
    KOBUK_TRY(std::string text, sys::read_file(path));
    KOBUK_TRY(records, parse_records(text));
  }
  for (const ImageRecord& record : records) {
    auto stored = read_stored(record);
    if (stored) {
      images_.emplace(record.id.text(), *std::move(stored));
    } else {
      log::warn("an image is not whole and is forgotten", {{"id", record.id.text()}, {"error", stored.error().message()}});
    }
  }
  collect();
  return {};
}

Result<ImagesImpl::Stored> ImagesImpl::read_stored(const ImageRecord& record) const {
  Stored out;
  out.record = record;
  KOBUK_TRY(std::string manifest, blobs_->read(record.manifest, kMaxManifest));
  KOBUK_TRY(Content content, parse_content(manifest, ""));
  if (!content.manifest) return fail(Code::kDataLoss, record.manifest.text(), " is not a manifest");
  out.manifest = *std::move(content.manifest);
  KOBUK_TRY(std::string config, blobs_->read(record.id, kMaxConfig));
  KOBUK_TRY(out.config, parse_config(config));
  for (size_t i = 0; i < out.config.diff_ids.size(); ++i) {
    KOBUK_TRY(codec::Digest diff_id, codec::Digest::parse(out.config.diff_ids[i]));
    KOBUK_TRY(int64_t size, layer_size(*blobs_, diff_id));
    out.size += size;
  }
  for (const Descriptor& layer : out.manifest.layers) {
    if (!blobs_->has(layer.digest)) return fail(Code::kDataLoss, "blob ", layer.digest.text(), " is missing");
  }
  return out;
}

ImageInfo ImagesImpl::info_of(const Stored& stored) const {
  ImageInfo out;
  out.id = stored.record.id.text();
  for (const std::string& tag : stored.record.tags) out.tags.push_back(familiar_text(tag));
  for (const std::string& digest : stored.record.repo_digests) out.repo_digests.push_back(familiar_text(digest));
  out.size = stored.size;
  out.created = stored.config.created;
  out.diff_ids = stored.config.diff_ids;
  out.config = stored.config.config;
  return out;
}

std::vector<ImageInfo> ImagesImpl::list() const {
  std::vector<ImageInfo> out;
  for (const auto& [id, stored] : images_) out.push_back(info_of(stored));
  std::sort(out.begin(), out.end(), [](const ImageInfo& a, const ImageInfo& b) { return std::tie(b.created, a.id) < std::tie(a.created, b.id); });
  return out;
}

const ImagesImpl::Stored* ImagesImpl::find_stored(const std::string& name) const {
  if (auto by_id = images_.find(name); by_id != images_.end()) return &by_id->second;
  if (auto by_id = images_.find(cat("sha256:", name)); by_id != images_.end()) return &by_id->second;
  auto reference = parse_reference(name);
  if (reference) {
    // With a digest the tag says nothing: what was pulled is found by what it is.
    std::string by_digest = cat(full_name(*reference), '@', reference->digest);
    std::string by_tag = full(*reference);
    for (const auto& [id, stored] : images_) {
      const auto& names = reference->digest.empty() ? stored.record.tags : stored.record.repo_digests;
      if (std::find(names.begin(), names.end(), reference->digest.empty() ? by_tag : by_digest) != names.end()) return &stored;
    }
  }
  std::string prefix = name.starts_with("sha256:") ? name : cat("sha256:", name);
  if (prefix.size() == 7 || !is_hex(std::string_view(prefix).substr(7))) return nullptr;
  const Stored* found = nullptr;
  for (const auto& [id, stored] : images_) {
    if (!id.starts_with(prefix)) continue;
    if (found != nullptr) return nullptr;
    found = &stored;
  }
  return found;
}

Result<const ImagesImpl::Stored*> ImagesImpl::lookup(const std::string& name) const {
  const Stored* stored = find_stored(name);
  if (stored == nullptr) return fail(Code::kNotFound, no_such_image(name));
  return stored;
}

Result<ImageInfo> ImagesImpl::find(const std::string& name) const {
  KOBUK_TRY(const Stored* stored, lookup(name));
  return info_of(*stored);
}

Result<void> ImagesImpl::commit_records(std::map<std::string, Stored> next) {
  std::vector<ImageRecord> records;
  for (const auto& [id, stored] : next) records.push_back(stored.record);
  KOBUK_CHECK(sys::write_file_atomic(cat(options_.directory, "/images.json"), image::write_records(records), 0600));
  images_ = std::move(next);
  return {};
}

void ImagesImpl::untag_everywhere(std::map<std::string, Stored>& images, const std::string& tag) {
  for (auto& [id, stored] : images) std::erase(stored.record.tags, tag);
}

static void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
}

Result<ImageInfo> ImagesImpl::add_image(Stored stored, const std::vector<std::string>& tags, const std::vector<std::string>& repo_digests) {
  std::map<std::string, Stored> next = images_;
  for (const std::string& tag : tags) untag_everywhere(next, tag);
  std::string id = stored.record.id.text();
  auto before = next.find(id);
  if (before != next.end()) {
    stored.record.tags = before->second.record.tags;
    stored.record.repo_digests = before->second.record.repo_digests;
  }
  for (const std::string& tag : tags) add_once(stored.record.tags, tag);
  for (const std::string& digest : repo_digests) add_once(stored.record.repo_digests, digest);
  next.insert_or_assign(id, std::move(stored));
  KOBUK_CHECK(commit_records(std::move(next)));
  return info_of(images_.at(id));
}

Result<void> ImagesImpl::tag(const std::string& source, const std::string& target) {
  KOBUK_TRY(const Stored* stored, lookup(source));
  KOBUK_TRY(Reference reference, parse_reference(target));
  if (!reference.digest.empty()) return fail(Code::kInvalid, "refusing to create a tag with a digest reference");
  std::map<std::string, Stored> next = images_;
  untag_everywhere(next, full(reference));
  next.at(stored->record.id.text()).record.tags.push_back(full(reference));
  return commit_records(std::move(next));
}

io::Task<Result<Images::Removed>> ImagesImpl::remove(std::string name, bool force) {
  KOBUK_CO_TRY(const Stored* stored, lookup(name));
  auto reference = parse_reference(name);
  bool by_id = !reference || name == stored->record.id.text();
  if (!by_id) {
    std::string text = reference->digest.empty() ? full(*reference) : cat(full_name(*reference), '@', reference->digest);
    const auto& names = reference->digest.empty() ? stored->record.tags : stored->record.repo_digests;
    by_id = std::find(names.begin(), names.end(), text) == names.end();  // a prefix of the id that reads as a name
  }
  auto removed = by_id ? remove_by_id(*stored, force) : remove_by_reference(*stored, *reference, force);
  if (removed) collect();
  co_return removed;
}

Result<Images::Removed> ImagesImpl::remove_by_reference(const Stored& stored, const Reference& reference, bool force) {
  bool by_digest = !reference.digest.empty();
  std::string text = by_digest ? cat(full_name(reference), '@', reference.digest) : full(reference);
  std::string id = stored.record.id.text();
  std::map<std::string, Stored> next = images_;
  ImageRecord& record = next.at(id).record;
  std::erase(by_digest ? record.repo_digests : record.tags, text);
  Removed out;
  out.untagged.push_back(familiar_text(text));
  std::string repository = full_name(reference);
  bool repository_named = std::any_of(record.tags.begin(), record.tags.end(), [&](const auto& tag) { return repository_of(tag) == repository; });
  // The last tag of a repository takes the repository's digests with it.
  for (size_t i = 0; !by_digest && !repository_named && i < record.repo_digests.size();) {
    if (repository_of(record.repo_digests[i]) != repository) {
      ++i;
      continue;
    }
    out.untagged.push_back(familiar_text(record.repo_digests[i]));
    record.repo_digests.erase(record.repo_digests.begin() + static_cast<ptrdiff_t>(i));
  }
  bool last = record.tags.empty() && record.repo_digests.empty();
  bool used = in_use_ && in_use_(id);
  if (last && used && !force) {
    return fail(Code::kConflict, "conflict: unable to remove repository reference \"", familiar_text(text), "\" (must force) - a container is using its referenced image ",
                stored.record.id.short_hex());
  }
  if (last && !used) {
    out.deleted.push_back(id);
    next.erase(id);
  }
  KOBUK_CHECK(commit_records(std::move(next)));
  return out;
}

Result<Images::Removed> ImagesImpl::remove_by_id(const Stored& stored, bool force) {
  std::string id = stored.record.id.text();
  std::string short_id(stored.record.id.short_hex());
  bool used = in_use_ && in_use_(id);
  if (used && !force) {
    return fail(Code::kConflict, "conflict: unable to delete ", short_id, " (must be forced) - image is being used by a container");
  }
  std::set<std::string> repositories;
  for (const std::string& tag : stored.record.tags) repositories.insert(repository_of(tag));
  if (repositories.size() > 1 && !force) {
    return fail(Code::kConflict, "conflict: unable to delete ", short_id, " (must be forced) - image is referenced in multiple repositories");
  }
  Removed out;
  for (const auto* names : {&stored.record.tags, &stored.record.repo_digests}) {
    for (const std::string& name : *names) out.untagged.push_back(familiar_text(name));
  }
  std::map<std::string, Stored> next = images_;
  if (used) {
    next.at(id).record.tags.clear();
    next.at(id).record.repo_digests.clear();
  } else {
    next.erase(id);
    out.deleted.push_back(id);
  }
  KOBUK_CHECK(commit_records(std::move(next)));
  return out;
}

std::set<std::string> ImagesImpl::live() const {
  std::set<std::string> out;
  for (const auto& [digest, count] : pins_) out.insert(digest);
  for (const auto& [id, stored] : images_) {
    out.insert({id, stored.record.manifest.text(), stored.record.index.text()});
    for (const Descriptor& layer : stored.manifest.layers) out.insert(layer.digest.text());
    out.insert(stored.config.diff_ids.begin(), stored.config.diff_ids.end());
  }
  return out;
}

// Runs between two turns of the loop: whoever works on content has it pinned, and whoever begins later sees it gone.
void ImagesImpl::collect() {
  if (holds_ > 0) return;  // the last hold collects
  std::set<std::string> keep = live();
  auto blobs = blobs_->list();
  auto layers = sys::list_directory(cat(options_.directory, "/layers"));
  std::vector<std::string> unneeded;
  for (const codec::Digest& blob : blobs ? *blobs : std::vector<codec::Digest>()) {
    if (!keep.contains(blob.text())) unneeded.push_back(blobs_->path(blob));
  }
  for (const std::string& name : layers ? *layers : std::vector<std::string>()) {
    if (!keep.contains(cat(name.size() > 64 ? "sha512:" : "sha256:", name))) unneeded.push_back(cat(options_.directory, "/layers/", name));
  }
  for (const std::string& path : unneeded) {
    auto discarded = blobs_->discard_path(path);
    if (!discarded) log::warn("can't collect image content", {{"path", path}, {"error", discarded.error().message()}});
  }
  if (!std::exchange(emptying_trash_, true)) tasks_.spawn(empty_trash());
}

io::Task<void> ImagesImpl::empty_trash() {
  emptying_trash_ = false;  // what is discarded from now on needs another round
  auto work = [blobs = blobs_] { return blobs->empty_trash(); };
  auto emptied = co_await loop_.offload("image trash", work);
  if (!emptied) log::warn("can't empty the trash of images", {{"error", emptied.error().message()}});
}

io::Task<Result<std::vector<std::string>>> ImagesImpl::layers(std::string id) {
  KOBUK_CO_TRY(const Stored* stored, lookup(id));
  std::vector<std::string> out;
  for (size_t i = stored->config.diff_ids.size(); i-- > 0;) {
    KOBUK_CO_TRY(codec::Digest diff_id, codec::Digest::parse(stored->config.diff_ids[i]));
    if (!has_layer(*blobs_, diff_id)) co_return fail(Code::kDataLoss, "layer ", diff_id.text(), " of image ", id, " is missing: pull the image again");
    std::string root = layer_root(*blobs_, diff_id);
    // overlayfs takes no folder twice; the upper of two equal layers says all that both do.
    if (std::find(out.begin(), out.end(), root) == out.end()) out.push_back(std::move(root));
  }
  if (out.empty()) out.push_back(cat(options_.directory, "/empty"));
  co_return out;
}

}  // namespace kobuk::image
