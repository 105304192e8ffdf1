// The body of POST /containers/create, read into a record. Pure, and bounded: it comes from outside.
#pragma once

#include "codec/value.h"
#include "engine/record.h"
#include "image/images.h"

namespace kobuk::engine::docker {

// Merges what is asked for with what the image says. kInvalid and kUnsupported name the option and what to do.
// The record has no id and no time yet; network names are not looked up.
Result<ContainerRecord> decode_create(const codec::Value& body, const image::ImageInfo& image);
// "src:/dst:ro,z": a bind or a named volume. kInvalid "invalid volume specification".
Result<MountRecord> parse_bind(std::string_view text);
// The limits of HostConfig, and of the body of POST /containers/{id}/update. kUnsupported for those that there are not.
Result<sys::CgroupLimits> decode_limits(const codec::Value& host);
Result<void> decode_restart_policy(const codec::Value& policy, RestartMode& mode, int64_t& tries);
Result<EndpointRecord> decode_endpoint(std::string_view network, const codec::Value& value);
// "10m" → bytes.
Result<int64_t> parse_size(std::string_view text);

}  // namespace kobuk::engine::docker
