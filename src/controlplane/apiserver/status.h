// Status: what the API says when it refuses (meta/v1 Status), with Kubernetes' texts; and Answer<T>, a value or a Status.
//
//   API_TRY(Decoded body, decode_body(...));                    // in functions that return Answer<...>
//   API_CO_TRY(Stored found, co_await read_object(...));        // in coroutines
//   return refuse(not_found(kind, "web"));
//
// Both macros take Result<T> too: an Error becomes the Status of its code.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "api/field_error.h"
#include "api/schema.h"
#include "base/result.h"

namespace kobuk::controlplane::apiserver {

struct Cause {
  std::string reason, message, field;
};

struct Status {
  Status() = default;
  Status(int http_code, std::string_view why, std::string text) : code(http_code), reason(why), message(std::move(text)) {}
  Status(const Error& error);  // NOLINT: an Error is a Status

  int code = 500;
  std::string reason, message;
  std::string name, group, kind, uid;  // details; kind is the resource ("pods"), or the kind for Invalid
  std::vector<Cause> causes;
  int retry_after = 0;
  std::string continue_token;  // of an expired list: how to go on
  bool success = false;

  std::string to_json() const;
};

template <class T>
using Answer = std::expected<T, Status>;

[[nodiscard]] inline std::unexpected<Status> refuse(Status status) { return std::unexpected<Status>(std::move(status)); }

Status bad_request(std::string message);
Status not_found(const api::KindInfo& kind, std::string_view name);
Status already_exists(const api::KindInfo& kind, std::string_view name);
// "Operation cannot be fulfilled on pods "x": <why>"
Status conflict(const api::KindInfo& kind, std::string_view name, std::string_view why);
extern const std::string_view kModified;  // the usual why
Status invalid(const api::KindInfo& kind, std::string_view name, const api::FieldErrors& errors);
Status forbidden(std::string_view group, std::string_view resource, std::string_view name, std::string_view why);
Status method_not_supported(std::string_view group, std::string_view resource, std::string_view verb);
Status path_not_found();
Status unauthorized();
Status internal_error(std::string_view what);
Status expired(std::string message);
Status too_large(size_t bytes, size_t limit);  // of an object
Status succeeded(const api::KindInfo& kind, std::string_view name, std::string_view uid);

}  // namespace kobuk::controlplane::apiserver

#define API_TRY_IMPL(ret, tmp, decl, ...)                                                             \
  auto&& tmp = __VA_ARGS__;                                                                           \
  if (!tmp) [[unlikely]]                                                                              \
    ret ::kobuk::controlplane::apiserver::refuse(::kobuk::controlplane::apiserver::Status(std::move(tmp).error())); \
  decl = *std::move(tmp)
#define API_CHECK_IMPL(ret, tmp, ...)            \
  if (auto&& tmp = __VA_ARGS__; !tmp) [[unlikely]] \
  ret ::kobuk::controlplane::apiserver::refuse(::kobuk::controlplane::apiserver::Status(std::move(tmp).error()))

#define API_TRY(decl, ...) API_TRY_IMPL(return, KOBUK_CONCAT(try_, __LINE__), decl, __VA_ARGS__)
#define API_CHECK(...) API_CHECK_IMPL(return, KOBUK_CONCAT(check_, __LINE__), __VA_ARGS__)
#define API_CO_TRY(decl, ...) API_TRY_IMPL(co_return, KOBUK_CONCAT(try_, __LINE__), decl, __VA_ARGS__)
#define API_CO_CHECK(...) API_CHECK_IMPL(co_return, KOBUK_CONCAT(check_, __LINE__), __VA_ARGS__)
