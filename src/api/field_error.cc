// Field errors in the texts of k8s.io/apimachinery/pkg/util/validation/field.
#include "api/field_error.h"

#include <algorithm>

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

std::string render(const codec::Value& value) {
  return value.is_string() ? go_quote(value.as_string()) : codec::to_json(value);
}

std::string_view title_of(FieldErrorType type) {
  switch (type) {
    case FieldErrorType::kRequired: return "Required value";
    case FieldErrorType::kInvalid:
    case FieldErrorType::kTypeInvalid: return "Invalid value";
    case FieldErrorType::kDuplicate: return "Duplicate value";
    case FieldErrorType::kNotSupported: return "Unsupported value";
    case FieldErrorType::kForbidden: return "Forbidden";
    case FieldErrorType::kTooLong: return "Too long";
    case FieldErrorType::kTooMany: return "Too many";
    case FieldErrorType::kNotFound: return "Not found";
  }
  return {};
}

}  // namespace

void Path::append(std::string& out, bool indices) const {
  if (parent_) parent_->append(out, indices);
  if (index_ == -1) {
    if (name_.empty()) return;
    if (!out.empty()) out += '.';
    out += name_;
  } else if (index_ == -2) {
    if (indices) cat_to(out, "[", name_, "]");
  } else if (indices) {
    cat_to(out, "[", index_, "]");
  }
}

std::string Path::text() const {
  std::string out;
  append(out, true);
  return out;
}

std::string Path::go_text() const {
  std::string out;
  append(out, false);
  return out;
}

std::string_view cause_of(FieldErrorType type) {
  switch (type) {
    case FieldErrorType::kRequired: return "FieldValueRequired";
    case FieldErrorType::kInvalid: return "FieldValueInvalid";
    case FieldErrorType::kTypeInvalid: return "FieldValueTypeInvalid";
    case FieldErrorType::kDuplicate: return "FieldValueDuplicate";
    case FieldErrorType::kNotSupported: return "FieldValueNotSupported";
    case FieldErrorType::kForbidden: return "FieldValueForbidden";
    case FieldErrorType::kTooLong: return "FieldValueTooLong";
    case FieldErrorType::kTooMany: return "FieldValueTooMany";
    case FieldErrorType::kNotFound: return "FieldValueNotFound";
  }
  return {};
}

std::string FieldError::text() const { return cat(field, ": ", body); }

void FieldErrors::add(FieldErrorType type, const Path& path, std::string value, std::string_view detail) {
  std::string body(title_of(type));
  if (!value.empty()) cat_to(body, ": ", value);
  if (!detail.empty()) cat_to(body, ": ", detail);
  push({type, path.text(), std::move(body)});
}

void FieldErrors::push(FieldError error) {
  if (errors_.size() < kMaxFieldErrors && std::ranges::find(errors_, error) == errors_.end()) errors_.push_back(std::move(error));
}

void FieldErrors::append(const FieldErrors& more) {
  for (const FieldError& error : more.errors_) push(error);
}

void FieldErrors::required(const Path& path, std::string_view detail) { add(FieldErrorType::kRequired, path, {}, detail); }
void FieldErrors::invalid(const Path& path, std::string_view value, std::string_view detail) {
  add(FieldErrorType::kInvalid, path, go_quote(value), detail);
}
void FieldErrors::invalid(const Path& path, int64_t value, std::string_view detail) {
  add(FieldErrorType::kInvalid, path, cat(value), detail);
}
void FieldErrors::invalid(const Path& path, const codec::Value& value, std::string_view detail) {
  add(FieldErrorType::kInvalid, path, render(value), detail);
}
void FieldErrors::type_invalid(const Path& path, const codec::Value& value, std::string_view detail) {
  add(FieldErrorType::kTypeInvalid, path, render(value), detail);
}
void FieldErrors::duplicate(const Path& path, const codec::Value& value) {
  add(FieldErrorType::kDuplicate, path, render(value), {});
}
void FieldErrors::duplicate(const Path& path, std::string_view value) {
  add(FieldErrorType::kDuplicate, path, go_quote(value), {});
}
void FieldErrors::not_supported(const Path& path, std::string_view value, std::span<const std::string_view> supported) {
  std::string detail = "supported values: ";
  for (size_t i = 0; i < supported.size(); ++i) cat_to(detail, i ? ", " : "", go_quote(supported[i]));
  add(FieldErrorType::kNotSupported, path, go_quote(value), supported.empty() ? std::string_view() : detail);
}
void FieldErrors::forbidden(const Path& path, std::string_view detail) { add(FieldErrorType::kForbidden, path, {}, detail); }
void FieldErrors::too_long(const Path& path, int64_t max_bytes) {
  add(FieldErrorType::kTooLong, path, {}, cat("may not be more than ", max_bytes, " bytes"));
}
void FieldErrors::too_many(const Path& path, int64_t actual, int64_t max) {
  add(FieldErrorType::kTooMany, path, cat(actual), cat("must have at most ", max, max == 1 ? " item" : " items"));
}
void FieldErrors::not_found(const Path& path, std::string_view value) {
  add(FieldErrorType::kNotFound, path, go_quote(value), {});
}

std::string FieldErrors::text() const {
  std::vector<std::string> texts;
  for (const FieldError& error : errors_) texts.push_back(error.text());
  return texts.size() == 1 ? texts.front() : cat("[", join(texts, ", "), "]");
}

std::string invalid_message(std::string_view qualified_kind, std::string_view name, const FieldErrors& errors) {
  return cat(qualified_kind, " ", go_quote(name), " is invalid: ", errors.text());
}

}  // namespace kobuk::api
