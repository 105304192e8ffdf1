// Bytes that are written once and then shared by everybody who sends or keeps them.
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace kobuk {

// Immutable, reference counted, any thread. Never null where a function returns one.
using SharedBytes = std::shared_ptr<const std::string>;

inline SharedBytes share(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }

}  // namespace kobuk
