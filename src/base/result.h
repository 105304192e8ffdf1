// Result<T>: a value or an Error. Nothing in kobuk throws.
//
//   Result<Manifest> parse(std::string_view text);
//   KOBUK_TRY(Manifest m, parse(text));          // returns the Error from this function
//   KOBUK_CHECK(write_file(path, text));         // the same for Result<void>
//   KOBUK_CO_TRY(auto r, co_await client.get(url));   // in coroutines: co_return instead of return
#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace kobuk {

template <class T>
using Result = std::expected<T, Error>;

template <class... Args>
[[nodiscard]] std::unexpected<Error> fail(Code code, Args&&... args) {
  return std::unexpected<Error>(Error(code, cat(std::forward<Args>(args)...)));
}
[[nodiscard]] inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }
[[nodiscard]] inline std::unexpected<Error> fail_errno(int system_errno, std::string_view what) {
  return std::unexpected<Error>(errno_error(system_errno, what));
}

}  // namespace kobuk

#define KOBUK_CONCAT_INNER(a, b) a##b
#define KOBUK_CONCAT(a, b) KOBUK_CONCAT_INNER(a, b)
#define KOBUK_TRY_IMPL(ret, tmp, decl, ...)                  \
  auto&& tmp = __VA_ARGS__;                                  \
  if (!tmp) [[unlikely]]                                     \
    ret std::unexpected<::kobuk::Error>(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define KOBUK_CHECK_IMPL(ret, tmp, ...)                      \
  if (auto&& tmp = __VA_ARGS__; !tmp) [[unlikely]]           \
  ret std::unexpected<::kobuk::Error>(std::move(tmp).error())

#define KOBUK_TRY(decl, ...) KOBUK_TRY_IMPL(return, KOBUK_CONCAT(try_, __LINE__), decl, __VA_ARGS__)
#define KOBUK_CHECK(...) KOBUK_CHECK_IMPL(return, KOBUK_CONCAT(check_, __LINE__), __VA_ARGS__)
#define KOBUK_CO_TRY(decl, ...) KOBUK_TRY_IMPL(co_return, KOBUK_CONCAT(try_, __LINE__), decl, __VA_ARGS__)
#define KOBUK_CO_CHECK(...) KOBUK_CHECK_IMPL(co_return, KOBUK_CONCAT(check_, __LINE__), __VA_ARGS__)
