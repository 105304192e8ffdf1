// A file, or a part of it, as the body of a message. Internal to image.
#pragma once

#include <memory>
#include <string>

#include "io/http.h"
#include "sys/fd.h"

namespace kobuk::image {

// Bytes from `offset` on, `length` of them. Read on the offload pool.
Result<std::unique_ptr<io::http::BodySource>> open_file_source(io::Loop& loop, const std::string& path, uint64_t offset, uint64_t length);

}  // namespace kobuk::image
