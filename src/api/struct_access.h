// How the generated tables reach lists and optional objects of a struct that the decoder does not know (decode.h).
// Included by generated files only.
#pragma once

#include <vector>

#include "api/decode.h"
#include "api/opt.h"

namespace kobuk::api {

template <class T>
inline constexpr ListAccess kListAccess = {
    .resize = [](void* list, size_t count) -> void* {
      auto* vector = static_cast<std::vector<T>*>(list);
      vector->clear();
      vector->resize(count);
      return vector->data();
    },
    .data = [](const void* list, size_t* count) -> const void* {
      auto* vector = static_cast<const std::vector<T>*>(list);
      *count = vector->size();
      return vector->data();
    },
    .element_size = sizeof(T),
};

template <class T>
inline constexpr OptAccess kOptAccess = {
    .emplace = [](void* opt) -> void* { return &static_cast<Opt<T>*>(opt)->get_or_emplace(); },
    .get = [](const void* opt) -> const void* { return static_cast<const Opt<T>*>(opt)->get(); },
};

}  // namespace kobuk::api
