// The body of POST /containers/create, and what becomes of it: a record that is stored and read again, and a spec.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "codec/json.h"
#include "engine/container_spec.h"
#include "engine/docker_create.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::engine;
  auto document = kobuk::codec::parse_json(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!document) return 0;
  kobuk::image::ImageInfo image;
  image.config.cmd = {"sh"};
  auto record = docker::decode_create(document->root, image);
  if (!record) return 0;
  record->id = "x";
  auto back = decode_container(encode(*record));
  if (!back || back->args.size() != record->args.size() || back->mounts.size() != record->mounts.size()) abort();
  SpecInputs inputs;
  for (const MountRecord& mount : record->mounts)
    if (mount.type == MountType::kVolume) inputs.volumes[mount.source] = "/v";
  auto spec = make_container_spec(*record, inputs, {});
  return 0;
}
