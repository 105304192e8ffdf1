// RFC 9112, HTTP/1.1.
#include "io/http1_parser.h"

#include <algorithm>

namespace kobuk::io::http {
namespace {

bool token_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}
bool is_token(std::string_view text) { return !text.empty() && std::all_of(text.begin(), text.end(), token_char); }
bool is_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c == '\t' || (c >= 0x20 && c != 0x7f); });
}

bool is_target(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > 0x20 && c != 0x7f; });
}

// The next line without its CRLF; nullopt when there is none or a bare LF or CR stands in it.
std::optional<std::string_view> take_line(std::string_view& text) {
  size_t end = text.find("\r\n");
  if (end == std::string_view::npos) return std::nullopt;
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 2);
  if (line.find_first_of("\r\n") != std::string_view::npos) return std::nullopt;
  return line;
}

Result<int> parse_version(std::string_view text) {
  if (text == "HTTP/1.1") return 11;
  if (text == "HTTP/1.0") return 10;
  return fail(Code::kInvalid, "malformed HTTP version ", go_quote(text));
}

Result<void> parse_fields(std::string_view text, Headers& headers) {
  size_t count = 0;
  while (true) {
    auto line = take_line(text);
    if (!line) return fail(Code::kInvalid, "malformed header line");
    if (line->empty()) return {};
    if (++count > 256) return fail(Code::kTooLarge, "more than 256 header lines");
    size_t colon = line->find(':');
    std::string_view name = line->substr(0, colon);
    if (colon == std::string_view::npos || !is_token(name)) return fail(Code::kInvalid, "malformed header name");
    std::string_view value = trim(line->substr(colon + 1));
    if (!is_value(value)) return fail(Code::kInvalid, "malformed value of header ", name);
    headers.add(name, value);
  }
}

bool has_token(const Headers& headers, std::string_view name, std::string_view token) {
  for (std::string_view value : headers.get_all(name)) {
    for (std::string_view part : split(value, ',')) {
      if (equals_ignore_case(trim(part), token)) return true;
    }
  }
  return false;
}

// RFC 9112 §6.3, with every ambiguity refused.
Result<void> find_framing(MessageHead& head) {
  auto codings = head.headers.get_all("Transfer-Encoding");
  auto lengths = head.headers.get_all("Content-Length");
  if (!codings.empty()) {
    if (!lengths.empty()) return fail(Code::kInvalid, "both Content-Length and Transfer-Encoding");
    if (codings.size() != 1 || !equals_ignore_case(codings[0], "chunked") || head.version == 10) {
      return fail(Code::kInvalid, "unsupported transfer encoding");
    }
    head.framing = Framing::kChunked;
    return {};
  }
  if (lengths.empty()) return {};
  auto length = parse_uint(lengths[0]);
  if (lengths.size() != 1 || !length || !(lengths[0][0] >= '0' && lengths[0][0] <= '9')) {
    return fail(Code::kInvalid, "malformed Content-Length");
  }
  head.framing = Framing::kLength;
  head.length = *length;
  return {};
}

void find_keep_alive(MessageHead& head) {
  head.keep_alive = head.version == 11 ? !has_token(head.headers, "Connection", "close")
                                       : has_token(head.headers, "Connection", "keep-alive");
}

}  // namespace

Result<MessageHead> parse_request_head(std::string_view text) {
  MessageHead head;
  auto line = take_line(text);
  if (!line) return fail(Code::kInvalid, "malformed request line");
  size_t first = line->find(' '), last = line->rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(Code::kInvalid, "malformed request line");
  head.method = line->substr(0, first);
  head.target = line->substr(first + 1, last - first - 1);
  if (!is_token(head.method) || head.method.size() > 32) return fail(Code::kInvalid, "malformed method");
  if (!is_target(head.target)) return fail(Code::kInvalid, "malformed request target");
  // The absolute form is for proxies; its path is what the origin form would be.
  for (std::string_view scheme : {"http://", "https://"}) {
    if (!head.target.starts_with(scheme)) continue;
    size_t slash = head.target.find('/', scheme.size());
    head.target = slash == std::string::npos ? "/" : head.target.substr(slash);
  }
  if (head.target[0] != '/' && head.target != "*") return fail(Code::kInvalid, "malformed request target");
  KOBUK_TRY(head.version, parse_version(line->substr(last + 1)));
  KOBUK_CHECK(parse_fields(text, head.headers));
  size_t hosts = head.headers.get_all("Host").size();
  if (hosts > 1 || (hosts == 0 && head.version == 11)) return fail(Code::kInvalid, "a request needs exactly one Host header");
  KOBUK_CHECK(find_framing(head));
  find_keep_alive(head);
  return head;
}

Result<MessageHead> parse_response_head(std::string_view text, std::string_view request_method) {
  MessageHead head;
  auto line = take_line(text);
  if (!line || line->size() < 12 || (*line)[8] != ' ') return fail(Code::kInvalid, "malformed status line");
  KOBUK_TRY(head.version, parse_version(line->substr(0, 8)));
  auto status = parse_uint(line->substr(9, 3));
  if (!status || *status < 100 || (line->size() > 12 && (*line)[12] != ' ')) return fail(Code::kInvalid, "malformed status line");
  head.status = static_cast<int>(*status);
  KOBUK_CHECK(parse_fields(text, head.headers));
  KOBUK_CHECK(find_framing(head));
  find_keep_alive(head);
  bool bodiless = request_method == "HEAD" || head.status < 200 || head.status == 204 || head.status == 304;
  if (bodiless) {
    head.framing = Framing::kNone;
  } else if (head.framing == Framing::kNone) {
    head.framing = Framing::kUntilClose;
    head.keep_alive = false;
  }
  return head;
}

Result<void> check_request(const Request& request) {
  if (!is_token(request.method)) return fail(Code::kInvalid, "malformed method ", go_quote(request.method));
  bool whole = request.target.starts_with('/') || request.target == "*";
  if (!whole || !is_target(request.target)) return fail(Code::kInvalid, "malformed request target ", go_quote(request.target));
  if (!is_target(request.host)) return fail(Code::kInvalid, "malformed host ", go_quote(request.host));
  for (const auto& [name, value] : request.headers) {
    if (!is_token(name)) return fail(Code::kInvalid, "malformed header name ", go_quote(name));
  }
  return {};
}

Result<void> ChunkedDecoder::take_size_line() {
  size_t end = line_.find_first_of("; \t");
  std::string_view digits = std::string_view(line_).substr(0, end);
  uint64_t size = 0;
  if (digits.empty() || digits.size() > 15) return fail(Code::kInvalid, "malformed chunk size");
  for (char c : digits) {
    auto nibble = unhex(std::string{'0', c});
    if (!nibble) return fail(Code::kInvalid, "malformed chunk size");
    size = size * 16 + static_cast<unsigned char>((*nibble)[0]);
  }
  line_.clear();
  left_ = size;
  state_ = size == 0 ? State::kTrailer : State::kData;
  return {};
}

Result<size_t> ChunkedDecoder::feed(std::string_view input, std::string& out) {
  constexpr size_t kMaxLine = 4096, kMaxTrailer = 16384;
  std::string_view rest = input;
  while (!rest.empty() && state_ != State::kDone) {
    if (state_ == State::kData) {
      size_t take = static_cast<size_t>(std::min<uint64_t>(left_, rest.size()));
      out.append(rest.substr(0, take));
      rest.remove_prefix(take);
      left_ -= take;
      if (left_ == 0) state_ = State::kDataEnd;
      continue;
    }
    char c = rest[0];
    rest.remove_prefix(1);
    bool after_cr = !line_.empty() && line_.back() == '\r';
    if (after_cr != (c == '\n')) return fail(Code::kInvalid, "malformed line end in a chunked body");
    if (!after_cr) {
      line_.push_back(c);
      if (line_.size() > kMaxLine) return fail(Code::kTooLarge, "a line of a chunked body is too long");
      continue;
    }
    line_.pop_back();
    if (state_ == State::kSize) {
      KOBUK_CHECK(take_size_line());
    } else if (state_ == State::kDataEnd) {
      if (!line_.empty()) return fail(Code::kInvalid, "a chunk is longer than it said");
      state_ = State::kSize;
    } else {
      trailer_bytes_ += line_.size() + 2;
      if (trailer_bytes_ > kMaxTrailer) return fail(Code::kTooLarge, "the trailer of a chunked body is too long");
      if (line_.empty()) state_ = State::kDone;
      line_.clear();
    }
  }
  return input.size() - rest.size();
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100: return "Continue";
    case 101: return "Switching Protocols";
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 413: return "Request Entity Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Requested Range Not Satisfiable";
    case 422: return "Unprocessable Entity";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Status";
  }
}

}  // namespace kobuk::io::http
