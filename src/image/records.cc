#include "image/records.h"

#include "codec/json.h"

namespace kobuk::image {

using codec::Value;

static Value list_of(codec::Arena& arena, const std::vector<std::string>& texts) {
  Value out = Value::array();
  for (const std::string& text : texts) out.push(arena, Value::string_view(text));
  return out;
}

std::string write_records(const std::vector<ImageRecord>& records) {
  codec::Document document;
  codec::Arena& arena = document.arena;
  document.root.set(arena, "version", Value::integer(1));
  Value images = Value::array();
  for (const ImageRecord& record : records) {
    Value image = Value::object();
    image.set(arena, "id", Value::string_view(record.id.text()));
    image.set(arena, "manifest", Value::string_view(record.manifest.text()));
    if (!record.index.empty()) image.set(arena, "index", Value::string_view(record.index.text()));
    image.set(arena, "tags", list_of(arena, record.tags));
    image.set(arena, "repoDigests", list_of(arena, record.repo_digests));
    images.push(arena, image);
  }
  document.root.set(arena, "images", images);
  return codec::to_json_pretty(document.root) + "\n";
}

static std::vector<std::string> texts_of(const Value& list) {
  std::vector<std::string> out;
  for (size_t i = 0; i < list.size(); ++i) out.emplace_back(list.at(i).as_string());
  return out;
}

Result<std::vector<ImageRecord>> parse_records(std::string_view text) {
  KOBUK_TRY(codec::Document document, codec::parse_json(text));
  if (document.root["version"].as_int() != 1) return fail(Code::kUnsupported, "images.json is of a version that this kobuk doesn't know");
  std::vector<ImageRecord> out;
  const Value& images = document.root["images"];
  for (size_t i = 0; i < images.size(); ++i) {
    const Value& image = images.at(i);
    ImageRecord record;
    KOBUK_TRY(record.id, codec::Digest::parse(image["id"].as_string()));
    KOBUK_TRY(record.manifest, codec::Digest::parse(image["manifest"].as_string()));
    if (image.find("index") != nullptr) {
      KOBUK_TRY(record.index, codec::Digest::parse(image["index"].as_string()));
    }
    record.tags = texts_of(image["tags"]);
    record.repo_digests = texts_of(image["repoDigests"]);
    out.push_back(std::move(record));
  }
  return out;
}

}  // namespace kobuk::image
