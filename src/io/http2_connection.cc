// HTTP/2 (RFC 9113) with libnghttp2, which parses frames, HPACK (RFC 7541) and checks message rules. Output pieces are
// handed over without nghttp2's own copy; windows open as the reader takes what has arrived.
#include "io/http2_connection.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "base/log.h"

namespace kobuk::io::http {
namespace {

constexpr size_t kReadSize = 16 << 10;
constexpr size_t kWriteSize = 64 << 10;
constexpr size_t kRoomForMore = 64 << 10;   // a body source is asked for more when less than this waits
constexpr uint32_t kServerStreamWindow = 256 << 10, kClientStreamWindow = 1 << 20;
constexpr int32_t kConnectionWindow = 16 << 20;
// Streams that fail (CVE-2023-44487 and its like), and a tenth for each frame that asks for an answer but carries nothing.
constexpr double kFailureBurst = 1000, kFailuresPerSecond = 33;

nghttp2_nv field(std::string_view name, std::string_view value) {
  auto bytes = [](std::string_view text) { return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data())); };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

// RFC 9113 §8.2.2: what concerns one HTTP/1.1 connection does not travel.
bool travels(std::string_view name, std::string_view value) {
  if (name.empty() || name[0] == ':') return false;
  switch (name.size()) {
    case 2: return !equals_ignore_case(name, "TE") || equals_ignore_case(value, "trailers");
    case 4: return !equals_ignore_case(name, "Host");
    case 7: return !equals_ignore_case(name, "Upgrade");
    case 10: return !equals_ignore_case(name, "Connection") && !equals_ignore_case(name, "Keep-Alive");
    case 14: return !equals_ignore_case(name, "Content-Length");
    case 16: return !equals_ignore_case(name, "Proxy-Connection");
    case 17: return !equals_ignore_case(name, "Transfer-Encoding");
    default: return true;
  }
}

// nghttp2 lowers the names and copies both.
void append_fields(std::vector<nghttp2_nv>& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (travels(name, value)) out.push_back(field(name, trim(value)));
  }
}

struct SessionOptions {
  nghttp2_option* options = nullptr;
  SessionOptions() {
    nghttp2_option_new(&options);
    nghttp2_option_set_no_auto_window_update(options, 1);
    nghttp2_option_set_no_closed_streams(options, 1);
    nghttp2_option_set_stream_reset_rate_limit(options, static_cast<uint64_t>(kFailureBurst), static_cast<uint64_t>(kFailuresPerSecond));
  }
};

Task<void> hold_until_next_turn(std::shared_ptr<TaskGroup>) { co_return; }

Task<void> send_source(Http2StreamPtr stream, Body body) {
  uint64_t sent = 0;
  while (!stream->closed) {
    auto piece = co_await body.next();
    if (stream->closed) co_return;
    if (piece) sent += piece->size();
    bool ends = piece && piece->empty();
    bool other_length = body.length() && (ends ? sent != *body.length() : sent > *body.length());
    if (!piece || other_length) {
      log::warn("http2: a body broke off", {{"error", piece ? "its length is not what was announced" : piece.error().message()}});
      stream->connection->reset(*stream, NGHTTP2_INTERNAL_ERROR);
      co_return;
    }
    if (piece->empty()) break;
    stream->connection->push(*stream, share(std::move(*piece)));
    while (!stream->closed && stream->output_bytes >= kRoomForMore) {
      stream->drained.reset();
      co_await stream->drained.wait();
    }
  }
  if (!stream->closed) stream->connection->finish(*stream, body.trailers());
}

}  // namespace

// What nghttp2 calls. None of these calls back into it for input or output, nor runs code of anybody else: streams that
// close are reported when nghttp2 has returned.
struct Http2Callbacks {
  static Http2Connection& connection(void* user) { return *static_cast<Http2Connection*>(user); }
  static Http2Stream* stream(nghttp2_session* session, int32_t id) {
    return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }

  static int begin_headers(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Connection& on = connection(user);
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    auto stream = std::make_shared<Http2Stream>(on.loop_);
    stream->id = frame->hd.stream_id;
    nghttp2_session_set_stream_user_data(session, stream->id, stream.get());
    on.begin_stream(stream);
    on.opened_ = stream->id;
    return 0;
  }

  static int header(nghttp2_session* session, const nghttp2_frame* frame, const uint8_t* name_bytes, size_t name_size,
                    const uint8_t* value_bytes, size_t value_size, uint8_t, void* user) {
    Http2Stream* to = frame->hd.type == NGHTTP2_HEADERS ? stream(session, frame->hd.stream_id) : nullptr;
    if (to == nullptr) return 0;
    to->header_bytes += name_size + value_size + 32;  // as RFC 9113 §6.5.2 counts
    if (to->header_bytes > connection(user).limits_.max_header_bytes) {
      to->head_too_large = true;
      return to->head_received ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    }
    std::string_view name(reinterpret_cast<const char*>(name_bytes), name_size);
    std::string_view value(reinterpret_cast<const char*>(value_bytes), value_size);
    if (name == ":method") {
      to->method = value;
    } else if (name == ":path") {
      to->target = value;
    } else if (name == ":authority" || name == "host") {
      if (to->host.empty()) to->host = value;
    } else if (name == ":status") {
      to->status = static_cast<int>(parse_int(value).value_or(0));
    } else if (!name.starts_with(':')) {
      Headers& headers = to->head_received ? to->trailers : to->headers;
      if (name == "cookie" && headers.has(name)) {
        headers.set(name, cat(headers.get(name), "; ", value));  // RFC 9113 §8.2.3
      } else {
        headers.add(name, value);
      }
    }
    return 0;
  }

  static int frame_received(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    Http2Connection& on = connection(user);
    bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA: {
        Http2Stream* to = stream(session, frame->hd.stream_id);
        if (to == nullptr) return 0;
        if (frame->hd.type == NGHTTP2_DATA && frame->hd.length == 0 && !last) on.count_failure(0.1);
        if (frame->hd.type == NGHTTP2_HEADERS && !to->head_received) head(on, *to);
        if (last) to->input_ended = true;
        to->input.set();
        return 0;
      }
      case NGHTTP2_GOAWAY: on.going_away_ = true; return 0;
      case NGHTTP2_PING:
      case NGHTTP2_SETTINGS:
      case NGHTTP2_PRIORITY: on.count_failure(0.1); return 0;
      default: return 0;
    }
  }

  static void head(Http2Connection& on, Http2Stream& to) {
    bool informational = on.role_ == Http2Connection::Role::kClient && to.status < 200;
    if (informational) {
      to.headers = Headers();
      return;
    }
    to.head_received = true;
    to.header_bytes = 0;
    auto found = on.streams_.find(to.id);
    if (found != on.streams_.end()) on.head_received(found->second);
  }

  static int data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes, size_t size, void* user) {
    Http2Stream* to = stream(session, id);
    if (to == nullptr) {
      nghttp2_session_consume(session, id, size);
      return 0;
    }
    to->inbox.append(reinterpret_cast<const char*>(bytes), size);
    to->unconsumed += size;
    to->input.set();
    // A client's slow reader holds up its own stream only; a server bounds what all streams of a peer can pile up.
    if (connection(user).role_ == Http2Connection::Role::kClient) nghttp2_session_consume_connection(session, size);
    return 0;
  }

  static int stream_close(nghttp2_session*, int32_t id, uint32_t code, void* user) {
    Http2Connection& on = connection(user);
    auto found = on.streams_.find(id);
    if (found == on.streams_.end()) return 0;
    Http2StreamPtr stream = found->second;
    on.mark_closed(stream, code);
    if (code != NGHTTP2_NO_ERROR) on.count_failure(1);
    return 0;
  }

  // Frames that can't be sent: a request after GOAWAY was not acted on, a response that has no form ends its stream.
  static int frame_not_sent(nghttp2_session* session, const nghttp2_frame* frame, int, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    Http2Connection& on = connection(user);
    auto found = on.streams_.find(frame->hd.stream_id);
    if (found == on.streams_.end()) return 0;
    if (on.role_ == Http2Connection::Role::kClient) {
      found->second->refused = true;
    } else {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_INTERNAL_ERROR);
    }
    return 0;
  }

  // RFC 9113 §8.1: a server that has answered before the request ended asks the client to stop sending.
  static int frame_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user) {
    bool message = frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA;
    if (!message || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0) return 0;
    if (connection(user).role_ == Http2Connection::Role::kClient) return 0;
    Http2Stream* from = stream(session, frame->hd.stream_id);
    if (from != nullptr && !from->input_ended) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    }
    return 0;
  }

  // How much of the output the next DATA frame takes; send_data moves it.
  static ssize_t read_data(nghttp2_session* session, int32_t id, uint8_t*, size_t room, uint32_t* flags, nghttp2_data_source* source, void*) {
    auto* from = static_cast<Http2Stream*>(source->ptr);
    size_t take = std::min(room, from->output_bytes);
    if (take == 0 && !from->output_ended) {
      from->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    if (take > 0) *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (take < from->output_bytes || !from->output_ended) return static_cast<ssize_t>(take);
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (from->output_trailers.size() > 0) {
      std::vector<nghttp2_nv> fields;
      append_fields(fields, from->output_trailers);
      if (nghttp2_submit_trailer(session, id, fields.data(), fields.size()) == 0) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return static_cast<ssize_t>(take);
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* frame_head, size_t size, nghttp2_data_source* source, void* user) {
    Http2Connection& on = connection(user);
    if (on.out_.size() >= kWriteSize) return NGHTTP2_ERR_WOULDBLOCK;
    auto* from = static_cast<Http2Stream*>(source->ptr);
    on.out_.append(reinterpret_cast<const char*>(frame_head), 9);
    from->output_bytes -= size;
    while (size > 0) {
      const std::string& piece = *from->output.front();
      size_t take = std::min(size, piece.size() - from->output_offset);
      on.out_.append(piece, from->output_offset, take);
      from->output_offset += take;
      size -= take;
      if (from->output_offset == piece.size()) {
        from->output.pop_front();
        from->output_offset = 0;
      }
    }
    from->progress = on.loop_.mono();
    if (from->output_bytes < kRoomForMore) from->drained.set();
    return 0;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* out = nullptr;
    nghttp2_session_callbacks_new(&out);
    nghttp2_session_callbacks_set_on_begin_headers_callback(out, begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(out, header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(out, frame_received);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(out, data);
    nghttp2_session_callbacks_set_on_stream_close_callback(out, stream_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(out, frame_not_sent);
    nghttp2_session_callbacks_set_on_frame_send_callback(out, frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(out, send_data);
    return out;
  }
};

Http2Connection::Http2Connection(Loop& loop, std::unique_ptr<Stream> stream, Role role, Http2Limits limits)
    : loop_(loop), stream_(std::move(stream)), role_(role), limits_(limits), wake_(loop), writer_(std::make_unique<TaskGroup>(loop)) {
  static nghttp2_session_callbacks* callbacks = Http2Callbacks::make();
  static const SessionOptions options;
  bool server = role == Role::kServer;
  auto open = server ? nghttp2_session_server_new2 : nghttp2_session_client_new2;
  open(&session_, callbacks, this, options.options);
  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, server ? kServerStreamWindow : kClientStreamWindow},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(limits_.max_header_bytes)},
  };
  if (server) {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits_.max_streams});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow);
  failures_at_ = loop_.mono();
}

Http2Connection::~Http2Connection() {
  writer_ = nullptr;
  for (Loop::TimerId timer : {idle_timer_, stall_timer_, ping_timer_, head_timer_}) loop_.cancel_timer(timer);
  for (auto& [id, stream] : streams_) {
    stream->connection = nullptr;
    stream->closed = true;
    stream->error_code = NGHTTP2_INTERNAL_ERROR;
    if (stream->sender) loop_.spawn(hold_until_next_turn(std::exchange(stream->sender, nullptr)));
    stream->input.set();
    stream->drained.set();
  }
  nghttp2_session_del(session_);
}

Task<void> Http2Connection::run(std::string bytes) {
  arm_idle(limits_.first_timeout);
  writer_->spawn(write_loop());
  while (true) {
    if (!bytes.empty() && !feed(bytes)) break;
    wake();
    auto got = co_await stream_->read(kReadSize);
    if (!got || got->empty()) break;
    bytes = std::move(*got);
  }
  ended_ = true;
  going_away_ = true;
  writer_ = nullptr;
  stream_->close();
  auto left = streams_;
  for (auto& [id, stream] : left) mark_closed(stream, NGHTTP2_INTERNAL_ERROR);
  report_closed();
}

bool Http2Connection::feed(std::string_view bytes) {
  heard_ = true;
  auto used = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  if (used == NGHTTP2_ERR_FLOODED) log::warn("http2: a peer floods, the connection is closed");
  report_closed();
  watch_head();
  return used >= 0 && static_cast<size_t>(used) == bytes.size();
}

// Fills out_ with the next frames; false when the session is broken.
bool Http2Connection::collect() {
  out_.clear();
  while (out_.size() < kWriteSize) {
    const uint8_t* bytes = nullptr;
    auto size = nghttp2_session_mem_send(session_, &bytes);
    if (size < 0) return false;
    if (size == 0) break;
    out_.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  }
  report_closed();
  return true;
}

Task<void> Http2Connection::write_loop() {
  while (true) {
    bool good = collect();
    if (!out_.empty()) {
      auto sent = co_await stream_->write(out_);
      good = good && sent;
      if (good) continue;
    }
    bool over = nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
    if (!good || over) break;
    if (out_.capacity() > 1024) out_ = std::string();  // an idle connection holds no buffer
    wake_.reset();
    co_await wake_.wait();
  }
  stream_->close();  // the reader ends with it
}

void Http2Connection::wake() {
  bool over = nghttp2_session_want_read(session_) == 0;
  if (!ended_ && (over || nghttp2_session_want_write(session_) != 0)) wake_.set();
}

void Http2Connection::begin_stream(const Http2StreamPtr& stream) {
  stream->connection = this;
  stream->progress = loop_.mono();
  streams_.emplace(stream->id, stream);
  if (idle_since_ == MonoTime{}) loop_.cancel_timer(std::exchange(idle_timer_, 0));  // the first has come in time
  arm_ping();
}

void Http2Connection::mark_closed(const Http2StreamPtr& stream, uint32_t code) {
  if (stream->closed) return;
  stream->closed = true;
  stream->connection = nullptr;
  stream->error_code = code;
  if (code == NGHTTP2_REFUSED_STREAM) stream->refused = true;
  if (role_ == Role::kServer && stream->unconsumed > 0) nghttp2_session_consume_connection(session_, std::exchange(stream->unconsumed, 0));
  stream->output.clear();
  stream->output_bytes = 0;
  stream->input.set();
  stream->drained.set();
  closed_.push_back(stream);
  streams_.erase(stream->id);
  if (!streams_.empty()) return;
  idle_since_ = loop_.mono();
  if (idle_timer_ == 0) arm_idle(limits_.idle_timeout);
}

void Http2Connection::report_closed() {
  while (!closed_.empty()) {
    auto closed = std::exchange(closed_, {});
    for (const Http2StreamPtr& stream : closed) {
      // Later, by the loop: what a body source holds may be this connection.
      if (stream->sender) loop_.spawn(hold_until_next_turn(std::exchange(stream->sender, nullptr)));
      if (stream->error_code != NGHTTP2_NO_ERROR) stream->gone.cancel();
      stream_closed(*stream);
    }
  }
}

void Http2Connection::count_failure(double weight) {
  if (role_ == Role::kClient) return;
  MonoTime now = loop_.mono();
  double seconds = std::chrono::duration<double>(now - failures_at_).count();
  failures_ = std::max(0.0, failures_ - seconds * kFailuresPerSecond) + weight;
  failures_at_ = now;
  if (failures_ > kFailureBurst) nghttp2_session_terminate_session(session_, NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Connection::go_away() {
  if (going_away_ && role_ == Role::kServer) return;
  going_away_ = true;
  // Requests that are under way meanwhile have higher numbers: their client knows that nobody has acted on them.
  nghttp2_submit_goaway(session_, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(session_), NGHTTP2_NO_ERROR, nullptr, 0);
  wake();
}

void Http2Connection::close() { stream_->close(); }

size_t Http2Connection::peer_max_streams() const {
  return nghttp2_session_get_remote_settings(session_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void Http2Connection::reset(Http2Stream& stream, uint32_t code) {
  if (stream.closed) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, code);
  wake();
}

void Http2Connection::submit_continue(Http2Stream& stream) {
  nghttp2_nv status = field(":status", "100");
  nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, stream.id, nullptr, &status, 1, nullptr);
  wake();
}

void Http2Connection::submit_response(Http2Stream& stream, const Response& response, bool bodiless, std::optional<uint64_t> length) {
  std::string status = cat(response.status), size = cat(length.value_or(0));
  std::vector<nghttp2_nv> fields = {field(":status", status)};
  append_fields(fields, response.headers);
  if (length) fields.push_back(field("content-length", size));
  nghttp2_data_provider provider{.source = {.ptr = &stream}, .read_callback = Http2Callbacks::read_data};
  int done = nghttp2_submit_response(session_, stream.id, fields.data(), fields.size(), bodiless ? nullptr : &provider);
  if (done != 0) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, stream.id, NGHTTP2_INTERNAL_ERROR);
  wake();
}

Http2StreamPtr Http2Connection::submit_request(const Request& request, std::string_view scheme, bool has_body) {
  if (going_away_ || ended_) return nullptr;
  std::string size = cat(request.body.length().value_or(0));
  std::vector<nghttp2_nv> fields = {field(":method", request.method), field(":scheme", scheme), field(":authority", request.host),
                                    field(":path", request.target)};
  append_fields(fields, request.headers);
  bool counts = has_body || (request.method != "GET" && request.method != "HEAD" && request.method != "DELETE");
  if (counts && request.body.length()) fields.push_back(field("content-length", size));
  auto stream = std::make_shared<Http2Stream>(loop_);
  nghttp2_data_provider provider{.source = {.ptr = stream.get()}, .read_callback = Http2Callbacks::read_data};
  int32_t id = nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), has_body ? &provider : nullptr, stream.get());
  if (id < 0) {
    going_away_ = true;  // no stream numbers are left
    return nullptr;
  }
  stream->id = id;
  begin_stream(stream);
  wake();
  return stream;
}

void Http2Connection::push(Http2Stream& stream, SharedBytes piece) {
  if (stream.closed || piece->empty()) return;
  if (stream.output_bytes == 0) stream.progress = loop_.mono();
  stream.output_bytes += piece->size();
  stream.output.push_back(std::move(piece));
  if (std::exchange(stream.deferred, false)) nghttp2_session_resume_data(session_, stream.id);
  arm_stall();
  wake();
}

void Http2Connection::finish(Http2Stream& stream, Headers trailers) {
  if (stream.closed) return;
  stream.output_ended = true;
  stream.output_trailers = std::move(trailers);
  if (std::exchange(stream.deferred, false)) nghttp2_session_resume_data(session_, stream.id);
  wake();
}

void Http2Connection::send_body(const Http2StreamPtr& stream, Body body) {
  if (body.streaming()) {
    stream->sender = std::make_shared<TaskGroup>(loop_);
    stream->sender->spawn(send_source(stream, std::move(body)));
    return;
  }
  for (const SharedBytes& piece : body.pieces()) push(*stream, piece);
  finish(*stream, body.trailers());
}

void Http2Connection::consumed(Http2Stream& stream) {
  size_t size = std::exchange(stream.unconsumed, 0);
  if (size == 0) return;
  if (role_ == Role::kServer) {
    nghttp2_session_consume(session_, stream.id, size);
  } else {
    nghttp2_session_consume_stream(session_, stream.id, size);
  }
  wake();
}

// A header that has begun holds up the whole connection (RFC 9113 §4.3), and nobody knows yet who its client is: unlike
// a stream that is being answered, it does not keep the connection open for long.
void Http2Connection::watch_head() {
  auto found = streams_.find(opened_);
  bool open = found != streams_.end() && !found->second->head_received && limits_.head_timeout > Duration{0};
  int32_t wanted = open ? opened_ : 0;
  if (wanted == watched_) return;
  loop_.cancel_timer(std::exchange(head_timer_, 0));
  watched_ = wanted;
  if (open) head_timer_ = loop_.start_timer(limits_.head_timeout, [this] { give_up(); });
}

void Http2Connection::give_up() {
  nghttp2_session_terminate_session(session_, NGHTTP2_NO_ERROR);
  going_away_ = true;
  wake();
}

void Http2Connection::arm_idle(Duration after) {
  if (after > Duration{0} && !ended_) idle_timer_ = loop_.start_timer(after, [this] { on_idle(); });
}
void Http2Connection::on_idle() {
  idle_timer_ = 0;
  if (!streams_.empty()) return;  // armed again when the last has ended
  auto quiet = loop_.mono() - idle_since_;
  if (idle_since_ != MonoTime{} && quiet < limits_.idle_timeout) return arm_idle(limits_.idle_timeout - quiet);
  give_up();
}

void Http2Connection::arm_stall() {
  if (stall_timer_ != 0 || limits_.stall_timeout <= Duration{0}) return;
  stall_timer_ = loop_.start_timer(limits_.stall_timeout, [this] { on_stall(); });
}
void Http2Connection::on_stall() {
  stall_timer_ = 0;
  bool waiting = false;
  for (auto& [id, stream] : streams_) {
    if (stream->output_bytes == 0 || stream->followed) continue;
    waiting = true;
    if (loop_.mono() - stream->progress >= limits_.stall_timeout) nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  }
  if (waiting) arm_stall();
  wake();
}

void Http2Connection::arm_ping() {
  if (ping_timer_ != 0 || limits_.ping_interval <= Duration{0}) return;
  heard_ = asked_ = false;
  ping_timer_ = loop_.start_timer(limits_.ping_interval, [this] { on_ping(); });
}
void Http2Connection::on_ping() {
  ping_timer_ = 0;
  if (streams_.empty()) return;
  if (!heard_ && asked_) return stream_->close();
  bool ask = !heard_;
  arm_ping();
  asked_ = ask;
  if (ask) nghttp2_submit_ping(session_, NGHTTP2_FLAG_NONE, nullptr);
  wake();
}

Error Http2Stream::failure() const {
  std::string_view name = nghttp2_http2_strerror(error_code);
  switch (error_code) {
    case NGHTTP2_CANCEL: return Error(Code::kCancelled, "http2: the peer cancelled the stream");
    case NGHTTP2_ENHANCE_YOUR_CALM: return Error(Code::kResourceExhausted, "http2: the peer refuses so many requests");
    case NGHTTP2_HTTP_1_1_REQUIRED: return Error(Code::kUnsupported, "http2: the peer wants HTTP/1.1 for this request");
    default: return Error(Code::kUnavailable, cat("http2: the stream ended early: ", name));
  }
}

Task<Result<std::string>> read_http2_body(Http2StreamPtr stream) {
  while (stream->inbox.empty()) {
    if (stream->input_ended) co_return std::string();
    if (stream->closed) co_return fail(stream->failure());
    ScopedTimer timer{stream->loop, 0};
    if (stream->body_timeout > Duration{0}) {
      timer.id = stream->loop.start_timer(stream->body_timeout, [s = stream.get()] {
        s->body_timed_out = true;
        s->input.set();
      });
    }
    stream->input.reset();
    co_await stream->input.wait();
    if (stream->body_timed_out) co_return fail(Code::kTimeout, "the request body did not arrive in time");
  }
  std::string out = std::exchange(stream->inbox, std::string());
  if (stream->connection != nullptr) stream->connection->consumed(*stream);
  co_return out;
}

}  // namespace kobuk::io::http
