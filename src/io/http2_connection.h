// One HTTP/2 connection, either side: libnghttp2 decides, this moves the bytes between it, the byte stream and the
// bodies of many streams, with flow control both ways. Internal to io.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "io/http.h"

struct nghttp2_session;

namespace kobuk::io::http {

constexpr std::string_view kHttp2Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

class Http2Connection;

// A request and its response. Shared by the connection, while the stream is open, and whoever reads or answers it.
struct Http2Stream {
  explicit Http2Stream(Loop& on) : loop(on), input(on), drained(on) {}
  Loop& loop;
  Http2Connection* connection = nullptr;  // null when closed
  int32_t id = -1;
  // What the peer sends.
  std::string method, target, host;  // server
  int status = 0;                    // client
  Headers headers, trailers;
  size_t header_bytes = 0;
  bool head_received = false, head_too_large = false, input_ended = false;
  std::string inbox;      // of the body, not yet read
  size_t unconsumed = 0;  // received, not yet given back to the peer's window
  Duration body_timeout{0};
  bool body_timed_out = false;
  Event input;  // set by every change of the above
  // What the peer gets.
  std::deque<SharedBytes> output;
  size_t output_offset = 0, output_bytes = 0;
  bool output_ended = false, deferred = false;
  bool followed = false;  // its reader may pause
  Headers output_trailers;
  MonoTime progress{};  // when output last moved
  Event drained;        // set when there is room for more
  std::shared_ptr<TaskGroup> sender;  // of a streamed body; ends with the stream, whatever its source waits for

  bool closed = false, refused = false;  // refused: the peer has not acted on it
  uint32_t error_code = 0;
  CancelSource gone;

  Error failure() const;  // of a stream that was closed before its end
};
using Http2StreamPtr = std::shared_ptr<Http2Stream>;

struct Http2Limits {
  size_t max_header_bytes = 64 << 10;
  uint32_t max_streams = 250;  // that the peer may have open
  Duration first_timeout{0};   // until the first stream; zeroes: none
  Duration head_timeout{0};    // from a request's first header frame to its last
  Duration idle_timeout{0};    // without streams
  Duration stall_timeout{0};   // a stream whose output does not move
  Duration ping_interval{0};   // asks a silent peer, while streams are open, whether it is there
};

class Http2Connection {
 public:
  enum class Role { kServer, kClient };
  Http2Connection(Loop& loop, std::unique_ptr<Stream> stream, Role role, Http2Limits limits);
  virtual ~Http2Connection();
  Http2Connection(const Http2Connection&) = delete;

  // Reads and writes until the connection has ended and all of its streams with it.
  Task<void> run(std::string already_read);
  void go_away();  // takes no new streams, ends when the last one has
  void close();    // at once
  bool ended() const { return ended_; }
  bool going_away() const { return going_away_; }
  size_t open_streams() const { return streams_.size(); }

  void reset(Http2Stream& stream, uint32_t code);
  void submit_response(Http2Stream& stream, const Response& response, bool bodiless, std::optional<uint64_t> length);
  void submit_continue(Http2Stream& stream);
  // Opens a stream; null when the connection takes none any more.
  Http2StreamPtr submit_request(const Request& request, std::string_view scheme, bool has_body);
  // Adds to the output, then ends it; send_body does both, a source's pieces as fast as the peer takes them.
  void push(Http2Stream& stream, SharedBytes piece);
  void finish(Http2Stream& stream, Headers trailers);
  void send_body(const Http2StreamPtr& stream, Body body);
  void consumed(Http2Stream& stream);
  size_t peer_max_streams() const;

 protected:
  virtual void head_received(Http2StreamPtr stream) = 0;
  virtual void stream_closed(Http2Stream& stream) = 0;
  Loop& loop() { return loop_; }

 private:
  friend struct Http2Callbacks;
  Task<void> write_loop();
  bool feed(std::string_view bytes);
  bool collect();
  void wake();
  void begin_stream(const Http2StreamPtr& stream);
  void mark_closed(const Http2StreamPtr& stream, uint32_t code);
  void report_closed();
  void count_failure(double weight);
  void watch_head();
  void arm_idle(Duration after);
  void arm_stall();
  void arm_ping();
  void give_up();
  void on_idle();
  void on_stall();
  void on_ping();

  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  Role role_;
  Http2Limits limits_;
  nghttp2_session* session_ = nullptr;
  std::unordered_map<int32_t, Http2StreamPtr> streams_;
  std::vector<Http2StreamPtr> closed_;  // to be reported when nghttp2 has returned
  std::string out_;
  Event wake_;
  bool ended_ = false, going_away_ = false, heard_ = false, asked_ = false;
  MonoTime idle_since_{};
  double failures_ = 0;  // streams that went wrong lately
  MonoTime failures_at_{};
  int32_t opened_ = 0, watched_ = 0;  // streams: the last that the peer has begun; whose head is overdue at head_timer_
  Loop::TimerId idle_timer_ = 0, stall_timer_ = 0, ping_timer_ = 0, head_timer_ = 0;
  std::unique_ptr<TaskGroup> writer_;
};

// The next piece of what the peer sends; empty at its end.
Task<Result<std::string>> read_http2_body(Http2StreamPtr stream);

// What the server's connections share.
struct ServerShared {
  Loop& loop;
  Handler& handler;
  const ServerLimits& limits;
  CancelToken stop, abort;  // no new requests; close
  size_t& answering;
  Event& answered;  // set whenever a request has ended
};
Task<void> serve_http2(ServerShared shared, std::unique_ptr<Stream> stream, Peer peer, std::string already_read);

}  // namespace kobuk::io::http
