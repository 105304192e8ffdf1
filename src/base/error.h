// Error: what went wrong, in a canonical code that every protocol of kobuk maps from (docs/ERRORS.md).
//
//   return fail(Code::kNotFound, "pods \"", name, "\" not found");
//   return std::move(error).context("read the manifest of ", ref);      // "read the manifest of x: <message>"
//
// An Error is a value: copyable, immutable once made, safe to hand between threads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "base/strings.h"

namespace kobuk {

enum class Code : uint8_t {
  kInvalid,             // the input is wrong whatever the state is; 400/422
  kUnauthenticated,     // no identity, or a bad one; 401
  kPermissionDenied,    // the identity may not do this; 403 (also EPERM, EACCES)
  kNotFound,            // 404 (also ENOENT)
  kAlreadyExists,       // 409
  kConflict,            // lost a race with another writer, retry after a read; 409
  kGone,                // an expired revision or token; 410
  kTooLarge,            // past a bound; 413
  kUnsupportedMedia,    // 415
  kNotAcceptable,       // 406
  kResourceExhausted,   // out of quota, disk, pids or tries; 429 or 507
  kFailedPrecondition,  // the state does not allow it; says what to do instead
  kUnsupported,         // this host or build can't do it; says what is missing; 501
  kUnavailable,         // try again later; 503
  kTimeout,             // 504
  kCancelled,           // the caller went away
  kDataLoss,            // stored bytes are not what was written
  kInternal,            // a bug of ours, or an unexpected answer of the system; 500
};

// "NotFound", "AlreadyExists", …: stable names for logs, metrics and tests.
std::string_view code_name(Code code);

class Error {
 public:
  Error(Code code, std::string message, int system_errno = 0)
      : message_(std::move(message)), errno_(system_errno), code_(code) {}

  Code code() const { return code_; }
  const std::string& message() const { return message_; }
  int system_errno() const { return errno_; }  // 0 when no system call failed

  // Prefixes the message with where it happened; keeps code and errno.
  template <class... Args>
  Error context(Args&&... args) && {
    message_ = cat(std::forward<Args>(args)..., ": ", message_);
    return std::move(*this);
  }
  template <class... Args>
  Error context(Args&&... args) const& {
    return Error(*this).context(std::forward<Args>(args)...);
  }
  Error with_code(Code code) && {
    code_ = code;
    return std::move(*this);
  }

 private:
  std::string message_;
  int errno_ = 0;
  Code code_;
};

// "open /x: No such file or directory", with the canonical code of the errno.
Error errno_error(int system_errno, std::string_view what);
Code code_of_errno(int system_errno);

}  // namespace kobuk
