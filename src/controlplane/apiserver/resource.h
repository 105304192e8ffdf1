// Resource: a kind as the server stores and serves it; and the stored form of objects: compact JSON that begins with kind,
// apiVersion and metadata and has no resourceVersion, which is the store's revision and is spliced in when the bytes go out.
#pragma once

#include <string>
#include <string_view>

#include "api/schema.h"
#include "codec/value.h"
#include "store/store.h"

namespace kobuk::controlplane::apiserver {

class Strategy;

struct Resource {
  Resource(const api::KindInfo& info, const Strategy& per_kind);
  const api::KindInfo* kind;
  const Strategy* strategy;
  std::string key_prefix;  // "/registry/pods/"
  std::string opening;     // `{"kind":"Pod","apiVersion":"v1","metadata":{`: how each stored object begins
  bool has_status = false;  // a status subresource

  std::string key(std::string_view space, std::string_view name) const;
  // All objects of a namespace, or of all when it is empty.
  std::string range_prefix(std::string_view space) const;
};

// The stored form. `object` is not changed.
std::string stored_form(const codec::Value& object, const Resource& resource);
void append_with_revision(std::string& out, std::string_view stored, const Resource& resource, store::Revision revision);
std::string with_revision(std::string_view stored, const Resource& resource, store::Revision revision);

// An object read from the store, with its resourceVersion in place.
struct Stored {
  codec::Document document;
  store::KeyValue kv;
  const codec::Value& value() const { return document.root; }
};
Result<Stored> read_stored(store::KeyValue kv);

}  // namespace kobuk::controlplane::apiserver
