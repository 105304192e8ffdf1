// gRPC over HTTP/2 (doc/PROTOCOL-HTTP2.md of the gRPC project): length-prefixed messages, time-outs, statuses.
#include "io/grpc_wire.h"

#include <algorithm>

namespace kobuk::io::grpc {

int status_of(Code code) {
  switch (code) {
    case Code::kCancelled: return 1;
    case Code::kInvalid:
    case Code::kUnsupportedMedia:
    case Code::kNotAcceptable: return 3;
    case Code::kTimeout: return 4;
    case Code::kNotFound: return 5;
    case Code::kAlreadyExists: return 6;
    case Code::kPermissionDenied: return 7;
    case Code::kTooLarge:
    case Code::kResourceExhausted: return 8;
    case Code::kFailedPrecondition: return 9;
    case Code::kConflict: return 10;
    case Code::kGone: return 11;
    case Code::kUnsupported: return 12;
    case Code::kInternal: return 13;
    case Code::kUnavailable: return 14;
    case Code::kDataLoss: return 15;
    case Code::kUnauthenticated: return 16;
  }
  return 2;
}

Code code_of_status(int status) {
  constexpr Code kCodes[] = {Code::kInternal,    Code::kCancelled,        Code::kInternal,         Code::kInvalid,  Code::kTimeout,     Code::kNotFound,
                             Code::kAlreadyExists, Code::kPermissionDenied, Code::kResourceExhausted, Code::kFailedPrecondition, Code::kConflict,  Code::kGone,
                             Code::kUnsupported, Code::kInternal,         Code::kUnavailable,      Code::kDataLoss, Code::kUnauthenticated};
  return status >= 0 && status < static_cast<int>(std::size(kCodes)) ? kCodes[status] : Code::kInternal;
}

std::string encode_message(std::string_view message) {
  std::string out(5, '\0');
  for (int i = 0; i < 4; ++i) out[static_cast<size_t>(1 + i)] = static_cast<char>(message.size() >> (24 - 8 * i));
  out += message;
  return out;
}

void MessageDecoder::feed(std::string bytes) {
  if (at_ == buffer_.size()) {
    buffer_ = std::move(bytes);
    at_ = 0;
    return;
  }
  if (at_ > 0) buffer_.erase(0, std::exchange(at_, 0));
  buffer_ += bytes;
}

Result<std::optional<std::string>> MessageDecoder::next() {
  if (buffer_.size() - at_ < 5) return std::nullopt;
  auto byte = [&](size_t i) { return static_cast<size_t>(static_cast<unsigned char>(buffer_[at_ + i])); };
  if (byte(0) != 0) return fail(Code::kUnsupported, "grpc: the message is compressed, which was not offered");
  size_t size = byte(1) << 24 | byte(2) << 16 | byte(3) << 8 | byte(4);
  if (size > max_) return fail(Code::kTooLarge, "grpc: a message of ", size, " bytes is larger than ", max_);
  if (buffer_.size() - at_ - 5 < size) return std::nullopt;
  std::string out = buffer_.substr(at_ + 5, size);
  at_ += 5 + size;
  return out;
}

Task<Result<std::optional<std::string>>> next_message(http::Body& body, MessageDecoder& decoder) {
  while (true) {
    KOBUK_CO_TRY(auto message, decoder.next());
    if (message) co_return message;
    KOBUK_CO_TRY(std::string piece, co_await body.next());
    if (piece.empty() && !decoder.empty()) co_return fail(Code::kInternal, "grpc: the stream ended within a message");
    if (piece.empty()) co_return std::nullopt;
    decoder.feed(std::move(piece));
  }
}

Task<Result<void>> Outbox::write(std::string message) {
  while (!waiting_.empty() && !abandoned_ && !ended_) {
    changed_.reset();
    co_await changed_.wait();
  }
  if (abandoned_ || ended_) co_return fail(Code::kCancelled, "grpc: the call has ended");
  waiting_ = encode_message(message);
  changed_.set();
  co_return Result<void>();
}
Task<Result<std::string>> Outbox::take() {
  while (waiting_.empty() && !ended_) {
    changed_.reset();
    co_await changed_.wait();
  }
  std::string out = std::exchange(waiting_, std::string());
  changed_.set();
  co_return out;
}
void Outbox::end() {
  ended_ = true;
  changed_.set();
}
void Outbox::abandon() {
  abandoned_ = true;
  changed_.set();
}

std::string format_timeout(Duration timeout) {
  int64_t micros = std::max<int64_t>(std::chrono::ceil<std::chrono::microseconds>(timeout).count(), 1);
  if (micros < 100'000'000) return cat(micros, "u");
  if (micros / 1000 < 100'000'000) return cat(micros / 1000, "m");
  return cat(std::min<int64_t>(micros / 1'000'000, 99'999'999), "S");
}

std::optional<Duration> parse_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > 9) return std::nullopt;
  auto count = parse_uint(text.substr(0, text.size() - 1));
  if (!count) return std::nullopt;
  auto n = static_cast<int64_t>(*count);
  constexpr int64_t kMost = 365 * 24 * 3600;  // what is longer is no limit, and would not fit
  switch (text.back()) {
    case 'H': return std::chrono::seconds(std::min(n * 3600, kMost));
    case 'M': return std::chrono::seconds(std::min(n * 60, kMost));
    case 'S': return std::chrono::seconds(std::min(n, kMost));
    case 'm': return std::chrono::milliseconds(n);
    case 'u': return std::chrono::microseconds(n);
    case 'n': return std::chrono::nanoseconds(n);
    default: return std::nullopt;
  }
}

Result<void> read_status(const http::Headers& trailers) {
  auto status = parse_int(trailers.get("grpc-status"));
  if (!status) return fail(Code::kUnavailable, "grpc: the call ended without a status");
  if (*status == 0) return {};
  int number = *status > 0 && *status < 100 ? static_cast<int>(*status) : 2;
  auto message = http::percent_decode(trailers.get("grpc-message"));
  return fail(code_of_status(number), message && !message->empty() ? *message : cat("grpc status ", number));
}

http::Headers write_status(const Result<void>& result) {
  http::Headers out;
  out.set("grpc-status", cat(result ? 0 : status_of(result.error().code())));
  if (result) return out;
  std::string message;
  for (char c : result.error().message()) {
    if (c >= ' ' && c <= '~' && c != '%') {
      message.push_back(c);
    } else {
      cat_to(message, http::percent_encode(std::string_view(&c, 1)));
    }
  }
  out.set("grpc-message", message);
  return out;
}

}  // namespace kobuk::io::grpc
