// The Docker Engine API (v1.24 to v1.50): routes to functions over Core, and what they share. Internal to the room.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/value.h"
#include "engine/core.h"
#include "engine/filters.h"
#include "engine/json_text.h"
#include "io/http.h"

namespace kobuk::engine::docker {

using io::http::Request;
using io::http::Response;

inline constexpr int kApiMinor = 50;     // 1.50: what the newest clients of the 28 series speak
inline constexpr int kOldestMinor = 24;
inline constexpr const char* kEngineVersion = "28.2.2";
inline constexpr size_t kMaxBody = 8 << 20;

// One request on its way.
struct Call {
  Core* core = nullptr;
  Request request;
  io::http::Query query;
  std::vector<std::string> args;  // what stood at the '*' and '**' of the pattern, decoded
  int minor = kApiMinor;          // of the version asked for

  std::string parameter(std::string_view name) const { return std::string(io::http::query_value(query, name)); }
  // As Go's handlers read it: empty, "0", "no", "false" and "none" are false.
  bool flag(std::string_view name) const;
  Result<Filters> filters() const { return Filters::parse(io::http::query_value(query, "filters")); }
};
using Function = io::Task<Response> (*)(Call call);
struct Route {
  const char* method;
  const char* pattern;  // "*" is one segment, "**" one or more
  Function function;
};

Response error_response(const Error& error);
Response message_response(int status, std::string_view message);
Response no_content();
Response json(int status, JsonText text);
// {"message": …} when the result is an error, the given status without a body else.
Response done(const Result<void>& result, int status = 204);

// The JSON of a request's body; null for an empty one. kInvalid in Docker's words.
io::Task<Result<codec::Document>> read_json(Request& request);

// Finds the container of args[0]; those of the CRI are not Docker's to see.
Result<EntryPtr> container(const Call& call, size_t index = 0);

// Lines that one task makes and a response's body hands on.
class Lines {
 public:
  explicit Lines(io::Loop& loop) : changed(loop) {}
  void add(std::string line) {
    text += line;
    changed.set();
  }
  void end() {
    ended = true;
    changed.set();
  }
  std::string text;
  bool ended = false;
  io::Event changed;
};
std::unique_ptr<io::http::BodySource> body_of(std::shared_ptr<Lines> lines);

std::string time_text(WallTime time);  // RFC 3339 with nanoseconds; "0001-01-01T00:00:00Z" for none

// The functions of each subject.
std::vector<Route> system_routes();
std::vector<Route> container_routes();
std::vector<Route> stream_routes();
std::vector<Route> exec_routes();
std::vector<Route> archive_routes();
std::vector<Route> image_routes();
std::vector<Route> network_routes();
std::vector<Route> volume_routes();

// Parts that several files use.
std::string container_inspect_json(Core& core, const Entry& entry, std::optional<int64_t> own_size);
std::string container_summary_json(Core& core, const Entry& entry, std::optional<int64_t> own_size);
std::string status_text(const Entry& entry, WallTime now);  // "Up 3 minutes (healthy)"
std::string network_json(Core& core, const NetworkRecord& record, bool with_containers);
std::string volume_json(Core& core, const VolumeRecord& record, std::optional<int64_t> size = {});  // size: with the usage, as system/df has it
std::string image_summary_json(Core& core, const image::ImageInfo& image);
// Bytes of the files below each; 0 for what is not there. Counted on the pool.
io::Task<std::vector<int64_t>> directory_sizes(io::Loop& loop, std::vector<std::string> paths);
// What each has written to its own file system.
io::Task<std::vector<int64_t>> own_sizes(Core& core, std::vector<EntryPtr> entries);

class Api final : public io::http::Handler {
 public:
  explicit Api(Core& core);
  io::Task<Response> handle(Request request) override;

 private:
  Core& core_;
  std::vector<Route> routes_;
};

}  // namespace kobuk::engine::docker
