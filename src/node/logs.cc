// Format: the CRI's log format (kubernetes/design-proposals, "kubelet-cri-logging").
#include "node/logs.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "sys/fd.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {
constexpr size_t kMaxRecord = 1 << 20;  // the runtime splits at 16 KiB; what is longer is no log of ours
constexpr size_t kChunk = 64 << 10;
}  // namespace

std::optional<LogRecord> parse_log_record(std::string_view line) {
  LogRecord out;
  size_t first = line.find(' ');
  if (first == std::string_view::npos) return std::nullopt;
  size_t second = line.find(' ', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  size_t third = line.find(' ', second + 1);
  std::string_view tags = line.substr(second + 1, third == std::string_view::npos ? third : third - second - 1);
  out.time = line.substr(0, first);
  out.stream = line.substr(first + 1, second - first - 1);
  if (out.stream != "stdout" && out.stream != "stderr") return std::nullopt;
  std::string_view tag = tags.substr(0, tags.find(':'));  // more tags may follow
  if (tag != "F" && tag != "P") return std::nullopt;
  out.partial = tag == "P";
  if (third != std::string_view::npos) out.text = line.substr(third + 1);
  return out;
}

void LogFilter::record(std::string_view line, std::string& out) {
  auto record = parse_log_record(line);
  if (!record || full()) return;
  if (!options_.stream.empty() && record->stream != options_.stream) return;
  if (options_.since) {
    auto time = parse_rfc3339(record->time);
    if (!time || *time < *options_.since) return;
  }
  size_t before = out.size();
  if (options_.timestamps && at_line_start_) cat_to(out, record->time, " ");
  out += record->text;
  if (!record->partial) out += '\n';
  at_line_start_ = !record->partial;
  auto added = static_cast<int64_t>(out.size() - before);
  if (options_.limit_bytes && sent_ + added > *options_.limit_bytes) {
    added = *options_.limit_bytes - sent_;
    out.resize(before + static_cast<size_t>(added));
  }
  sent_ += added;
}

void LogFilter::feed(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      if (rest_.size() + bytes.size() > kMaxRecord) {
        rest_.clear();
      } else {
        rest_ += bytes;
      }
      return;
    }
    if (rest_.empty()) {
      record(bytes.substr(0, end), out);
    } else {
      rest_ += bytes.substr(0, end);
      record(rest_, out);
      rest_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
}

void LogFilter::end_of_file() { rest_.clear(); }

static Result<std::optional<int64_t>> number(const io::http::Query& query, std::string_view name, int64_t least) {
  if (!io::http::query_has(query, name)) return std::nullopt;
  auto value = parse_int(io::http::query_value(query, name));
  if (!value) return fail(Code::kInvalid, "strconv.ParseInt: parsing ", go_quote(io::http::query_value(query, name)), ": invalid syntax");
  if (*value < least) return fail(Code::kInvalid, name, ": Invalid value: ", *value, ": must be greater than or equal to ", least);
  return value;
}

static bool flag(const io::http::Query& query, std::string_view name) {
  std::string_view value = io::http::query_value(query, name);
  return io::http::query_has(query, name) && value != "false" && value != "0";
}

Result<LogOptions> parse_log_options(const io::http::Query& query, WallTime now) {
  LogOptions out;
  out.follow = flag(query, "follow"), out.previous = flag(query, "previous"), out.timestamps = flag(query, "timestamps");
  std::string_view tail = io::http::query_value(query, "tailLines");
  if (tail != "all") {
    KOBUK_TRY(out.tail_lines, number(query, "tailLines", 0));
  }
  KOBUK_TRY(out.limit_bytes, number(query, "limitBytes", 1));
  KOBUK_TRY(auto seconds, number(query, "sinceSeconds", 1));
  std::string_view since = io::http::query_value(query, "sinceTime");
  if (seconds && !since.empty()) return fail(Code::kInvalid, "at most one of `sinceTime` or `sinceSeconds` may be specified");
  if (seconds) out.since = now - std::chrono::seconds(std::min<int64_t>(*seconds, 1'000'000'000));
  if (!since.empty()) {
    out.since = parse_rfc3339(since);
    if (!out.since) return fail(Code::kInvalid, "sinceTime: Invalid value: ", go_quote(since), ": must be a time as of RFC 3339");
  }
  std::string_view stream = io::http::query_value(query, "stream");
  if (stream == "Stdout") out.stream = "stdout";
  if (stream == "Stderr") out.stream = "stderr";
  return out;
}

Result<int64_t> find_tail(int fd, int64_t& lines) {
  struct stat info{};
  if (::fstat(fd, &info) != 0) return fail_errno(errno, "stat a log");
  int64_t end = info.st_size, at = end;
  std::string chunk;
  while (at > 0) {
    int64_t from = std::max<int64_t>(0, at - static_cast<int64_t>(kChunk));
    chunk.resize(static_cast<size_t>(at - from));
    ssize_t got = ::pread(fd, chunk.data(), chunk.size(), from);
    if (got < 0) return fail_errno(errno, "read a log");
    chunk.resize(static_cast<size_t>(got));
    for (size_t i = chunk.size(); i-- > 0;) {
      int64_t offset = from + static_cast<int64_t>(i);
      if (chunk[i] != '\n' || offset == end - 1) continue;  // the last line's own end
      if (--lines <= 0) return offset + 1;
    }
    at = from;
  }
  if (end > 0) --lines;
  return 0;
}

std::string last_log_lines(const std::string& path, int64_t lines, size_t bytes) {
  auto fd = sys::open_file(path, O_RDONLY);
  if (!fd) return {};
  auto offset = find_tail(fd->get(), lines);
  if (!offset || ::lseek(fd->get(), *offset, SEEK_SET) < 0) return {};
  auto raw = sys::read_all(fd->get(), path, 8 << 20);
  if (!raw) return {};
  std::string out;
  LogFilter filter{LogOptions{}};
  filter.feed(*raw, out);
  return out.size() > bytes ? out.substr(out.size() - bytes) : out;
}

}  // namespace kobuk::node
