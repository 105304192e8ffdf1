// RFC 9112 §6–§9: message bodies and connection use.
#include "io/http1_connection.h"

namespace kobuk::io::http {
namespace {

constexpr size_t kReadSize = 16 << 10;
constexpr size_t kReadAheadLimit = 64 << 10;

class UpgradedStream final : public Stream {
 public:
  explicit UpgradedStream(std::shared_ptr<Http1Connection> connection) : connection_(std::move(connection)) {}
  Task<Result<std::string>> read(size_t max) override {
    auto connection = connection_;
    auto got = co_await connection->read_some(max);
    co_return got;
  }
  Task<Result<void>> write(std::string_view bytes) override {
    auto connection = connection_;
    auto done = co_await connection->stream().write(bytes);
    co_return done;
  }
  Task<Result<void>> shutdown_write() override {
    auto connection = connection_;
    auto done = co_await connection->stream().shutdown_write();
    co_return done;
  }
  void close() override { connection_->stream().close(); }
  void set_write_timeout(Duration timeout) override { connection_->stream().set_write_timeout(timeout); }

 private:
  std::shared_ptr<Http1Connection> connection_;
};

bool hop_by_hop(std::string_view name) {
  return equals_ignore_case(name, "Content-Length") || equals_ignore_case(name, "Transfer-Encoding");
}

void append_fields(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (!hop_by_hop(name)) cat_to(out, name, ": ", value, "\r\n");
  }
}

void append_framing(std::string& out, Framing framing, uint64_t length) {
  if (framing == Framing::kChunked) out += "Transfer-Encoding: chunked\r\n";
  if (framing == Framing::kLength) cat_to(out, "Content-Length: ", length, "\r\n");
}

std::string hex_size(size_t size) {
  char text[20];
  auto end = std::to_chars(text, text + sizeof text, size, 16).ptr;
  return std::string(text, end);
}

}  // namespace

Task<Result<bool>> Http1Connection::fill() {
  size_t before = buffer_.size();
  while (reading_ahead_) co_await read_ahead_ended_.wait();
  if (buffer_.size() > before) co_return true;  // what was read ahead is what was asked for
  if (failed_) co_return fail(*failed_);
  if (ended_) co_return false;
  KOBUK_CO_TRY(std::string got, co_await stream_->read(kReadSize));
  ended_ = got.empty();
  buffer_ += got;
  co_return !ended_;
}

Task<Result<std::optional<std::string>>> Http1Connection::read_head(size_t limit) {
  size_t searched = 0;
  while (true) {
    size_t end = buffer_.find("\r\n\r\n", searched);
    if (end != std::string::npos && end + 4 <= limit) {
      std::string head = buffer_.substr(0, end + 4);
      buffer_.erase(0, end + 4);
      co_return head;
    }
    // A TLS greeting above all: whoever sends it learns at once that this is no TLS, instead of waiting.
    bool binary = !buffer_.empty() && static_cast<unsigned char>(buffer_[0]) < ' ' && buffer_[0] != '\r' && buffer_[0] != '\n';
    if (binary) co_return fail(Code::kInvalid, "this is not HTTP; was TLS sent to a port without TLS?");
    if (buffer_.size() > limit || end != std::string::npos) co_return fail(Code::kTooLarge, "the header is larger than ", limit, " bytes");
    searched = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
    size_t before = buffer_.size();
    KOBUK_CO_TRY(bool more, co_await fill());
    if (!more && buffer_.size() == before) {
      if (buffer_.empty()) co_return std::nullopt;
      co_return fail(Code::kInvalid, "the connection ended within a header");
    }
  }
}

void Http1Connection::begin_body(const MessageHead& head) {
  framing_ = head.framing;
  length_left_ = head.length;
  chunked_ = ChunkedDecoder();
  body_ended_ = framing_ == Framing::kNone || (framing_ == Framing::kLength && head.length == 0);
}

Task<Result<std::string>> Http1Connection::read_body() {
  while (!body_ended_) {
    if (buffer_.empty()) {
      KOBUK_CO_TRY(bool more, co_await fill());
      if (!more && buffer_.empty()) {
        body_ended_ = true;
        if (framing_ == Framing::kUntilClose) break;
        co_return fail(Code::kUnavailable, "the connection ended within a body");
      }
    }
    std::string out;
    if (framing_ == Framing::kChunked) {
      auto used = chunked_.feed(buffer_, out);
      if (!used) co_return fail(std::move(used).error());
      buffer_.erase(0, *used);
      body_ended_ = chunked_.done();
      if (out.empty()) continue;
      co_return out;
    }
    size_t take = framing_ == Framing::kLength ? static_cast<size_t>(std::min<uint64_t>(length_left_, buffer_.size())) : buffer_.size();
    if (take == buffer_.size()) {
      out = std::exchange(buffer_, std::string());
    } else {
      out = buffer_.substr(0, take);
      buffer_.erase(0, take);
    }
    length_left_ -= framing_ == Framing::kLength ? take : 0;
    body_ended_ = framing_ == Framing::kLength && length_left_ == 0;
    co_return out;
  }
  co_return std::string();
}

void Http1Connection::watch_peer(CancelSource gone) {
  if (reading_ahead_ || ended_ || buffer_.size() >= kReadAheadLimit) return;
  reading_ahead_ = true;
  read_ahead_ended_.reset();
  watch_.spawn(read_ahead(gone));  // ends with this connection at the latest
}

// One read: what a pipelining client sends next is kept, the end of the stream cancels the request that is running.
Task<void> Http1Connection::read_ahead(CancelSource gone) {
  auto got = co_await stream_->read(kReadSize);
  if (!got) failed_ = got.error();
  if (got && got->empty()) ended_ = true;
  if (got) buffer_ += *got;
  reading_ahead_ = false;
  read_ahead_ended_.set();
  if (failed_ || ended_) gone.cancel();
}

std::unique_ptr<Stream> Http1Connection::release_as_stream() { return std::make_unique<UpgradedStream>(shared_from_this()); }

Task<Result<std::string>> Http1Connection::read_some(size_t max) {
  if (buffer_.empty()) {
    KOBUK_CO_TRY(bool more, co_await fill());
    if (!more && buffer_.empty()) co_return std::string();
  }
  std::string out = buffer_.substr(0, max);
  buffer_.erase(0, out.size());
  co_return out;
}

std::string format_response_head(const Response& response, Framing framing, uint64_t length, bool keep_alive, bool http10) {
  std::string out = cat("HTTP/1.1 ", response.status, ' ', reason_phrase(response.status), "\r\n");
  append_fields(out, response.headers);
  append_framing(out, framing, length);
  if (response.status == 101) return out + "\r\n";
  if (!keep_alive) {
    out += "Connection: close\r\n";
  } else if (http10) {
    out += "Connection: keep-alive\r\n";
  }
  return out + "\r\n";
}

std::string format_request_head(const Request& request, Framing framing, uint64_t length) {
  std::string out = cat(request.method, ' ', request.target, " HTTP/1.1\r\nHost: ", request.host, "\r\n");
  append_fields(out, request.headers);
  append_framing(out, framing, length);
  return out + "\r\n";
}

Task<Result<void>> write_body(Stream& stream, Body body, Framing framing, std::string head) {
  if (body.streaming()) {
    // At once: who waits for the head must not wait for the first piece.
    KOBUK_CO_CHECK(co_await stream.write(head));
    head.clear();
  }
  uint64_t sent = 0;
  uint64_t promised = framing == Framing::kLength ? body.length().value_or(UINT64_MAX) : UINT64_MAX;
  while (true) {
    KOBUK_CO_TRY(std::string piece, co_await body.next());
    if (piece.empty()) break;
    sent += piece.size();
    if (sent > promised) co_return fail(Code::kInternal, "a body of ", promised, " bytes was announced, and more came");
    if (framing == Framing::kChunked) {
      cat_to(head, hex_size(piece.size()), "\r\n", piece, "\r\n");
    } else {
      head += piece;
    }
    if (body.streaming() || head.size() > (256 << 10)) {
      KOBUK_CO_CHECK(co_await stream.write(head));
      head.clear();
    }
  }
  if (promised != UINT64_MAX && sent < promised) {
    co_return fail(Code::kInternal, "a body of ", promised, " bytes was announced, and ", sent, " came");
  }
  if (framing == Framing::kChunked) head += "0\r\n\r\n";
  auto done = co_await stream.write(head);
  co_return done;
}

}  // namespace kobuk::io::http
