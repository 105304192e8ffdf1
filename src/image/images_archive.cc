// Images that come from files and go to them: load, save, import.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "codec/json.h"
#include "image/archive.h"
#include "image/images_impl.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

Result<LayerIngest::Finished> ingest_file(const std::shared_ptr<Blobs>& blobs, const std::string& path, const UnpackLimits& limits) {
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(path, O_RDONLY));
  KOBUK_TRY(auto ingest, LayerIngest::create(blobs, {.limits = limits}));
  std::string buffer(1 << 20, '\0');
  while (true) {
    ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(errno, cat("read ", path));
    if (got == 0) return ingest->finish();
    KOBUK_CHECK(ingest->feed(std::string_view(buffer).substr(0, static_cast<size_t>(got))));
  }
}

Result<std::string> imported_config(std::string_view config, const std::string& diff_id, WallTime now) {
  codec::Document document;
  codec::Arena& arena = document.arena;
  codec::Value& root = document.root;
  Platform host = host_platform();
  std::string created = format_rfc3339_nano(now);
  root.set(arena, "created", codec::Value::string_view(created));
  root.set(arena, "architecture", codec::Value::string_view(host.architecture));
  if (!host.variant.empty()) root.set(arena, "variant", codec::Value::string_view(host.variant));
  root.set(arena, "os", codec::Value::string_view(host.os));
  codec::Value value = codec::Value::object();
  if (!trim(config).empty()) {
    KOBUK_TRY(value, codec::parse_json(config, arena, {.max_bytes = 1 << 20, .max_depth = 64}));
    if (!value.is_object()) return fail(Code::kInvalid, "the image's config is not a JSON object");
  }
  root.set(arena, "config", value);
  codec::Value rootfs = codec::Value::object(), diff_ids = codec::Value::array();
  diff_ids.push(arena, codec::Value::string_view(diff_id));
  rootfs.set(arena, "type", codec::Value::string_view("layers"));
  rootfs.set(arena, "diff_ids", diff_ids);
  root.set(arena, "rootfs", rootfs);
  codec::Value step = codec::Value::object(), history = codec::Value::array();
  step.set(arena, "created", codec::Value::string_view(created));
  step.set(arena, "comment", codec::Value::string_view("Imported from -"));
  history.push(arena, step);
  root.set(arena, "history", history);
  return codec::to_json(root);
}

}  // namespace

io::Task<Result<ImageInfo>> ImagesImpl::store_image(codec::Digest top, codec::Digest index, std::vector<std::string> tags) {
  KOBUK_CO_TRY(std::string bytes, blobs_->read(top, kMaxManifest));
  KOBUK_CO_TRY(Content content, parse_content(bytes, ""));
  if (content.index) {
    KOBUK_CO_TRY(Descriptor chosen, choose_platform(*content.index, host_platform()));
    if (!index.empty()) co_return fail(Code::kInvalid, "an index within an index");
    auto image = co_await store_image(chosen.digest, top, std::move(tags));
    co_return image;
  }
  Manifest manifest = *std::move(content.manifest);
  KOBUK_CO_CHECK(check_is_image(manifest));
  KOBUK_CO_TRY(std::string config_bytes, blobs_->read(manifest.config.digest, kMaxConfig));
  KOBUK_CO_TRY(ConfigFile config, parse_config(config_bytes));
  if (config.diff_ids.size() != manifest.layers.size()) co_return fail(Code::kInvalid, "layers from manifest don't match image configuration");
  for (size_t i = 0; i < config.diff_ids.size(); ++i) {
    KOBUK_CO_TRY(codec::Digest diff_id, codec::Digest::parse(config.diff_ids[i]));
    if (has_layer(*blobs_, diff_id)) continue;
    auto unpack = [blobs = blobs_, digest = manifest.layers[i].digest, diff_id, limits = limits()] { return unpack_blob(blobs, digest, diff_id, limits); };
    KOBUK_CO_CHECK(co_await loop_.offload("unpack layer", unpack));
  }
  auto sync = [blobs = blobs_] { return blobs->sync_all(); };
  KOBUK_CO_CHECK(co_await loop_.offload("store image", sync));
  KOBUK_CO_TRY(Stored stored, read_stored({.id = manifest.config.digest, .manifest = top, .index = index}));
  auto image = add_image(std::move(stored), tags, {});
  co_return image;
}

io::Task<Result<std::vector<std::string>>> ImagesImpl::load(std::string tar_path) {
  Hold hold(*this);
  auto read = [blobs = blobs_, tar_path] { return read_archive(blobs, tar_path); };
  KOBUK_CO_TRY(auto archived, co_await loop_.offload("read archive", read));
  std::vector<std::string> out;
  for (ArchivedImage& entry : archived) {
    KOBUK_CO_TRY(ImageInfo image, co_await store_image(entry.manifest, {}, entry.tags));
    for (const std::string& tag : entry.tags) {
      KOBUK_CO_TRY(Reference reference, parse_reference(tag));
      out.push_back(familiar(reference));
    }
    if (entry.tags.empty()) out.push_back(image.id);
  }
  co_return out;
}

io::Task<Result<void>> ImagesImpl::save(std::vector<std::string> names, std::string tar_path) {
  Hold hold(*this);
  std::vector<ImageToSave> images;
  std::map<std::string, size_t> places;
  for (const std::string& name : names) {
    KOBUK_CO_TRY(const Stored* stored, lookup(name));
    auto [place, fresh] = places.emplace(stored->record.id.text(), images.size());
    if (fresh) images.push_back({stored->record.id, stored->record.manifest, stored->manifest, {}});
    auto reference = parse_reference(name);
    bool by_tag = reference && std::find(stored->record.tags.begin(), stored->record.tags.end(), full(*reference)) != stored->record.tags.end();
    if (by_tag) images[place->second].tags.push_back(full(*reference));
  }
  auto write = [blobs = blobs_, images, tar_path] { return write_archive(*blobs, images, tar_path); };
  auto written = co_await loop_.offload("write archive", write);
  co_return written;
}

io::Task<Result<ImageInfo>> ImagesImpl::import(std::string tar_path, std::string reference, std::string config) {
  std::vector<std::string> tags;
  if (!reference.empty()) {
    KOBUK_CO_TRY(Reference parsed, parse_reference(reference));
    if (!parsed.digest.empty()) co_return fail(Code::kInvalid, "cannot import digest reference");
    tags.push_back(full(parsed));
  }
  Hold hold(*this);
  auto store = [blobs = blobs_, tar_path, config, limits = limits(), now = loop_.now()]() -> Result<codec::Digest> {
    KOBUK_TRY(auto layer, ingest_file(blobs, tar_path, limits));
    KOBUK_TRY(std::string text, imported_config(config, layer.diff_id.text(), now));
    Descriptor config_blob{.media_type = std::string(media::kOciConfig), .size = static_cast<int64_t>(text.size())};
    KOBUK_TRY(config_blob.digest, blobs->write(text));
    Descriptor layer_blob{.media_type = layer_media_type(layer.compression), .digest = layer.digest, .size = layer.blob_size};
    return blobs->write(write_manifest(media::kOciManifest, config_blob, {layer_blob}));
  };
  KOBUK_CO_TRY(codec::Digest manifest, co_await loop_.offload("import image", store));
  auto image = co_await store_image(manifest, {}, std::move(tags));
  co_return image;
}

}  // namespace kobuk::image
