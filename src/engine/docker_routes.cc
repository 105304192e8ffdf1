// Which function answers which path; versions; errors. docs.docker.com/reference/api/engine/version/v1.50.
#include "codec/json.h"
#include "engine/docker.h"

namespace kobuk::engine::docker {
namespace {

int status_of(Code code) {
  switch (code) {
    case Code::kInvalid:
    case Code::kTooLarge: return 400;
    case Code::kUnauthenticated: return 401;
    case Code::kPermissionDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kNotAcceptable: return 406;
    case Code::kAlreadyExists:
    case Code::kConflict:
    case Code::kFailedPrecondition: return 409;
    case Code::kUnsupported: return 501;
    case Code::kUnavailable: return 503;
    default: return 500;
  }
}

// "/containers/*/json" against the segments of a path; what '*' (one) and '**' (one or more) stand for goes to args.
bool matches(std::string_view pattern, const std::vector<std::string_view>& path, std::vector<std::string>& args) {
  auto parts = split(pattern, '/');
  size_t at = 1;
  args.clear();
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i] == "**") {
      size_t after = parts.size() - i - 1;
      if (path.size() < at + 1 + after) return false;
      std::string joined;
      for (size_t end = path.size() - after; at < end; ++at) cat_to(joined, joined.empty() ? "" : "/", path[at]);
      args.push_back(std::move(joined));
      continue;
    }
    if (at >= path.size()) return false;
    if (parts[i] == "*") {
      args.emplace_back(path[at]);
    } else if (parts[i] != path[at]) {
      return false;
    }
    ++at;
  }
  return at == path.size();
}

class LinesBody final : public io::http::BodySource {
 public:
  explicit LinesBody(std::shared_ptr<Lines> lines) : lines_(std::move(lines)) {}
  io::Task<Result<std::string>> next() override {
    auto lines = lines_;
    while (lines->text.empty() && !lines->ended) {
      lines->changed.reset();
      co_await lines->changed.wait();
    }
    co_return std::exchange(lines->text, {});
  }

 private:
  std::shared_ptr<Lines> lines_;
};

}  // namespace

bool Call::flag(std::string_view name) const {
  std::string value = to_lower(trim(parameter(name)));
  return !(value.empty() || value == "0" || value == "no" || value == "false" || value == "none");
}

Response message_response(int status, std::string_view message) {
  JsonText text;
  text.open_object().field("message", message).close_object();
  return json(status, std::move(text));
}
Response error_response(const Error& error) { return message_response(status_of(error.code()), error.message()); }
Response no_content() {
  Response out;
  out.status = 204;
  return out;
}
Response json(int status, JsonText text) { return io::http::json_response(status, std::move(text).take() + "\n"); }
Response done(const Result<void>& result, int status) {
  if (!result) return error_response(result.error());
  Response out;
  out.status = status;
  return out;
}

io::Task<Result<codec::Document>> read_json(Request& request) {
  KOBUK_CO_TRY(std::string body, co_await request.body.read_all(kMaxBody));
  if (trim(body).empty()) co_return codec::Document{};
  auto document = codec::parse_json(body);
  if (!document) co_return fail(Code::kInvalid, "invalid JSON: ", document.error().message());
  co_return std::move(*document);
}

Result<EntryPtr> container(const Call& call, size_t index) {
  KOBUK_TRY(EntryPtr entry, call.core->find(call.args[index]));
  if (entry->record.origin != Origin::kDocker) return fail(Code::kNotFound, "No such container: ", call.args[index]);
  return entry;
}

std::unique_ptr<io::http::BodySource> body_of(std::shared_ptr<Lines> lines) { return std::make_unique<LinesBody>(std::move(lines)); }

std::string time_text(WallTime time) { return time == WallTime{} ? "0001-01-01T00:00:00Z" : format_rfc3339_nano(time); }

Api::Api(Core& core) : core_(core) {
  for (auto make : {system_routes, container_routes, stream_routes, exec_routes, archive_routes, image_routes, network_routes, volume_routes}) {
    auto more = make();
    routes_.insert(routes_.end(), more.begin(), more.end());
  }
}

namespace {

// Takes "/v1.41" off the path. An error: a version that is not spoken here.
Result<void> take_version(std::string& path, int& minor) {
  if (!path.starts_with("/v1.") && !path.starts_with("/v2.") && !path.starts_with("/v0.")) return {};
  size_t slash = path.find('/', 1);
  std::string_view version = std::string_view(path).substr(2, slash == std::string::npos ? slash : slash - 2);
  auto number = parse_uint(version.substr(2));
  if (!number) return {};
  bool newer = version.starts_with("2.") || (version.starts_with("1.") && *number > kApiMinor);
  if (newer) return fail(Code::kInvalid, "client version ", version, " is too new. Maximum supported API version is 1.", kApiMinor);
  if (version.starts_with("0.") || *number < kOldestMinor)
    return fail(Code::kInvalid, "client version ", version, " is too old. Minimum supported API version is 1.", kOldestMinor,
                ", please upgrade your client to a newer version");
  minor = static_cast<int>(*number);
  path.erase(0, slash == std::string::npos ? path.size() : slash);
  return {};
}

io::Task<Response> dispatch(Core& core, const std::vector<Route>& routes, Request request) {
  Call call;
  call.core = &core;
  std::string path(request.path());
  if (auto version = take_version(path, call.minor); !version) co_return error_response(version.error());
  auto query = io::http::parse_query(request.query());
  if (!query) co_return error_response(query.error());
  call.query = std::move(*query);
  // Segments are divided before they are decoded: an encoded slash belongs to a name.
  std::vector<std::string> decoded;
  for (std::string_view part : split(path, '/')) {
    auto text = io::http::percent_decode(part);
    if (!text) co_return message_response(400, "malformed path");
    decoded.push_back(std::move(*text));
  }
  std::vector<std::string_view> segments(decoded.begin(), decoded.end());
  bool known_path = false;
  for (const Route& route : routes) {
    std::vector<std::string> args;
    if (!matches(route.pattern, segments, args)) continue;
    known_path = true;
    if (request.method != route.method && !(request.method == "HEAD" && std::string_view(route.pattern) == "/_ping")) continue;
    call.args = std::move(args);
    call.request = std::move(request);
    auto response = co_await route.function(std::move(call));
    co_return response;
  }
  if (known_path) co_return message_response(405, "method not allowed");
  co_return message_response(404, "page not found");
}

}  // namespace

io::Task<Response> Api::handle(Request request) {
  Response response = co_await dispatch(core_, routes_, std::move(request));
  response.headers.set("Api-Version", cat("1.", kApiMinor));
  response.headers.set("Docker-Experimental", "false");
  response.headers.set("Ostype", "linux");
  response.headers.set("Server", cat("Docker/", kEngineVersion, " (linux)"));
  co_return response;
}

}  // namespace kobuk::engine::docker
