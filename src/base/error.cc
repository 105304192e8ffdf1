#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace kobuk {

std::string_view code_name(Code code) {
  switch (code) {
    case Code::kInvalid: return "Invalid";
    case Code::kUnauthenticated: return "Unauthenticated";
    case Code::kPermissionDenied: return "PermissionDenied";
    case Code::kNotFound: return "NotFound";
    case Code::kAlreadyExists: return "AlreadyExists";
    case Code::kConflict: return "Conflict";
    case Code::kGone: return "Gone";
    case Code::kTooLarge: return "TooLarge";
    case Code::kUnsupportedMedia: return "UnsupportedMedia";
    case Code::kNotAcceptable: return "NotAcceptable";
    case Code::kResourceExhausted: return "ResourceExhausted";
    case Code::kFailedPrecondition: return "FailedPrecondition";
    case Code::kUnsupported: return "Unsupported";
    case Code::kUnavailable: return "Unavailable";
    case Code::kTimeout: return "Timeout";
    case Code::kCancelled: return "Cancelled";
    case Code::kDataLoss: return "DataLoss";
    case Code::kInternal: return "Internal";
  }
  return "Unknown";
}

Code code_of_errno(int system_errno) {
  switch (system_errno) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case ENXIO: return Code::kNotFound;
    case EEXIST:
    case EADDRINUSE: return Code::kAlreadyExists;
    case EPERM:
    case EACCES:
    case EROFS: return Code::kPermissionDenied;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV: return Code::kInvalid;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return Code::kResourceExhausted;
    case EBUSY:
    case ENOTEMPTY:
    case ENOTDIR:
    case EISDIR: return Code::kFailedPrecondition;
    case ENOSYS:
    case EOPNOTSUPP:
    case EAFNOSUPPORT: return Code::kUnsupported;
    case EAGAIN:
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
    case ENETUNREACH:
    case EHOSTUNREACH: return Code::kUnavailable;
    case ETIMEDOUT: return Code::kTimeout;
    case ECANCELED:
    case EINTR: return Code::kCancelled;
    case EIO: return Code::kDataLoss;
    default: return Code::kInternal;
  }
}

Error errno_error(int system_errno, std::string_view what) {
  char buffer[128];
  const char* text = strerror_r(system_errno, buffer, sizeof buffer);
  return Error(code_of_errno(system_errno), cat(what, ": ", std::string_view(text)), system_errno);
}

}  // namespace kobuk
