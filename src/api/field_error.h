// What is wrong with an object, field by field, in Kubernetes' own words.
//
//   FieldErrors errors;
//   Path spec("spec");
//   errors.required(spec.child("containers").at(0).child("image"));
//   errors.text();   // "spec.containers[0].image: Required value"
//
// A Path is a chain on the stack: a child must not outlive its parent.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "codec/value.h"

namespace kobuk::api {

// A chain to the object itself, without a copy: a Path lives no longer than the one that it is a child of.
class Path {
 public:
  Path() = default;  // the object itself
  explicit Path(std::string_view name) : name_(name) {}
  Path child(std::string_view name) const [[clang::lifetimebound]] { return Path(this, name, -1); }
  Path at(size_t index) const [[clang::lifetimebound]] { return Path(this, {}, static_cast<int64_t>(index)); }
  Path key(std::string_view key) const [[clang::lifetimebound]] { return Path(this, key, -2); }

  std::string text() const;     // "spec.containers[0].env[KEY]"
  std::string go_text() const;  // "spec.containers.env": as encoding/json names it, without indices

 private:
  Path(const Path* parent, std::string_view name, int64_t index) : parent_(parent), name_(name), index_(index) {}
  void append(std::string& out, bool indices) const;

  const Path* parent_ = nullptr;
  std::string_view name_;
  int64_t index_ = -1;  // -1: a member, -2: a key, else an element
};

enum class FieldErrorType : uint8_t {
  kRequired,
  kInvalid,
  kTypeInvalid,
  kDuplicate,
  kNotSupported,
  kForbidden,
  kTooLong,
  kTooMany,
  kNotFound,
};
std::string_view cause_of(FieldErrorType type);  // "FieldValueRequired": the reason of a Status cause

struct FieldError {
  FieldErrorType type;
  std::string field;  // "spec.replicas"
  std::string body;   // `Invalid value: -1: must be greater than or equal to 0`
  std::string text() const;
  bool operator==(const FieldError&) const = default;
};

// A repeated error counts once; of what is wrong in more than kMaxFieldErrors ways the first ones are told.
inline constexpr size_t kMaxFieldErrors = 1000;
class FieldErrors {
 public:
  void required(const Path& path, std::string_view detail = {});
  void invalid(const Path& path, std::string_view value, std::string_view detail);  // quotes the text
  void invalid(const Path& path, int64_t value, std::string_view detail);
  void invalid(const Path& path, const codec::Value& value, std::string_view detail);  // as JSON; texts quoted
  void type_invalid(const Path& path, const codec::Value& value, std::string_view detail);
  void duplicate(const Path& path, const codec::Value& value);
  void duplicate(const Path& path, std::string_view value);
  void not_supported(const Path& path, std::string_view value, std::span<const std::string_view> supported);
  void forbidden(const Path& path, std::string_view detail);
  void too_long(const Path& path, int64_t max_bytes);
  void too_many(const Path& path, int64_t actual, int64_t max);
  void not_found(const Path& path, std::string_view value);

  void append(const FieldErrors& more);
  bool empty() const { return errors_.empty(); }
  const std::vector<FieldError>& all() const { return errors_; }
  // One error as it is, several as "[a, b]".
  std::string text() const;

 private:
  void push(FieldError error);
  void add(FieldErrorType type, const Path& path, std::string value, std::string_view detail);
  std::vector<FieldError> errors_;
};

// `Deployment.apps "web" is invalid: spec.selector: Required value`.
std::string invalid_message(std::string_view qualified_kind, std::string_view name, const FieldErrors& errors);

}  // namespace kobuk::api
