// Docker's json-file log driver: one JSON object a line. Rotated files are path.1 (the youngest), path.2, ….
#include "engine/logs.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/strings.h"
#include "codec/json.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

constexpr size_t kPiece = 256 << 10;
constexpr codec::ParseLimits kLimits{.max_bytes = 4 << 20, .max_depth = 8};
constexpr size_t kMaxPartial = 4 << 20;

bool same_file(int fd, const std::string& path) {
  struct stat a {};
  struct stat b {};
  return fstat(fd, &a) == 0 && stat(path.c_str(), &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

// Oldest first, the current one last.
std::vector<std::string> files_of(const std::string& path) {
  std::vector<std::string> out;
  for (int number = 1; sys::exists(cat(path, ".", number)); ++number) out.insert(out.begin(), cat(path, ".", number));
  out.push_back(path);
  return out;
}

struct Start {
  off_t offset = 0;
  uint64_t lines = 0;
};

// Where the last `wanted` lines of a file begin, read backwards; offset 0 when it has fewer.
Result<Start> find_tail(int fd, uint64_t wanted) {
  struct stat st {};
  if (fstat(fd, &st) != 0) return fail_errno(errno, "look at a log");
  off_t end = st.st_size;
  uint64_t lines = 0;
  std::string buffer;
  for (off_t at = end; at > 0;) {
    auto size = static_cast<size_t>(std::min<off_t>(at, kPiece));
    at -= static_cast<off_t>(size);
    buffer.resize(size);
    if (pread(fd, buffer.data(), size, at) != static_cast<ssize_t>(size)) return fail_errno(errno, "read a log");
    for (size_t i = size; i > 0; --i) {
      if (buffer[i - 1] != '\n' || at + static_cast<off_t>(i) == end) continue;  // the end of the last line is no start
      if (++lines == wanted) return Start{at + static_cast<off_t>(i), lines};
    }
  }
  return Start{0, end > 0 ? lines + 1 : 0};
}

}  // namespace

std::optional<LogLine> parse_log_line(std::string_view json) {
  auto document = codec::parse_json(json, kLimits);
  if (!document || !document->root["log"].is_string()) return std::nullopt;
  LogLine out;
  out.text = document->root["log"].as_string();
  out.is_stderr = document->root["stream"].as_string() == "stderr";
  if (auto time = parse_rfc3339(document->root["time"].as_string())) out.time = *time;
  return out;
}

bool LogReader::wanted(const LogLine& line) {
  if (options_.until && line.time > *options_.until) {
    past_until_ = true;
    return false;
  }
  if (options_.since && line.time < *options_.since) return false;
  return line.is_stderr ? options_.err : options_.out;
}

Result<void> LogReader::open_first() {
  opened_ = true;
  std::vector<std::string> files = files_of(path_);
  if (options_.tail) return skip_to_tail(files);
  std::reverse(files.begin(), files.end());
  pending_ = std::move(files);
  open_next();
  return {};
}

Result<void> LogReader::skip_to_tail(const std::vector<std::string>& files) {
  uint64_t wanted = *options_.tail;
  for (size_t i = files.size(); i > 0; --i) {
    auto file = sys::open_file(files[i - 1], O_RDONLY);
    if (!file && file.error().code() == Code::kNotFound) continue;
    if (!file) return fail(std::move(file).error());
    if (wanted == 0) {
      file_ = std::move(*file);
      lseek(file_.get(), 0, SEEK_END);
      return {};
    }
    KOBUK_TRY(Start start, find_tail(file->get(), wanted));
    file_ = std::move(*file);
    lseek(file_.get(), start.offset, SEEK_SET);
    if (i < files.size()) pending_.push_back(files[i]);
    wanted -= std::min(wanted, start.lines);
    if (wanted == 0) break;
  }
  return {};
}

bool LogReader::open_next() {
  while (!pending_.empty()) {
    std::string path = std::move(pending_.back());
    pending_.pop_back();
    auto file = sys::open_file(path, O_RDONLY);
    if (!file) continue;
    file_ = std::move(*file);
    return true;
  }
  if (file_ && same_file(file_.get(), path_)) return false;
  auto file = sys::open_file(path_, O_RDONLY);
  if (!file) return false;
  // More than one rotation may have passed: what lies between the file that was read and the current one comes first.
  std::vector<std::string> files = files_of(path_);
  auto mine = std::find_if(files.begin(), files.end(), [&](const std::string& name) { return file_ && same_file(file_.get(), name); });
  if (mine != files.end() && std::next(mine) + 1 != files.end()) {
    pending_.assign(std::next(mine), files.end());
    std::reverse(pending_.begin(), pending_.end());
    return open_next();
  }
  file_ = std::move(*file);
  return true;
}

void LogReader::take_lines(std::string_view bytes, std::vector<LogLine>& out) {
  partial_ += bytes;
  size_t start = 0;
  for (size_t end = partial_.find('\n'); end != std::string::npos && !past_until_; end = partial_.find('\n', start)) {
    auto line = parse_log_line(std::string_view(partial_).substr(start, end - start));
    start = end + 1;
    if (line && wanted(*line)) out.push_back(std::move(*line));
  }
  partial_.erase(0, start);
  if (partial_.size() > kMaxPartial) partial_.clear();
}

Result<std::vector<LogLine>> LogReader::read() {
  std::vector<LogLine> out;
  if (!opened_) KOBUK_CHECK(open_first());
  std::string buffer(kPiece, '\0');
  while (out.empty() && !past_until_) {
    ssize_t got = file_ ? ::read(file_.get(), buffer.data(), buffer.size()) : 0;
    if (got < 0) return fail_errno(errno, cat("read ", path_));
    if (got == 0) {
      // Looked at again after the switch: a line may have come between the read and the rotation.
      bool newer = open_next();
      if (!newer) break;
      partial_.clear();
      continue;
    }
    take_lines(std::string_view(buffer).substr(0, static_cast<size_t>(got)), out);
  }
  return out;
}

Result<std::unique_ptr<FolderWatch>> FolderWatch::open(io::Loop& loop, const std::string& folder) {
  std::unique_ptr<FolderWatch> watch(new FolderWatch(loop));
  watch->inotify_ = sys::UniqueFd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
  if (!watch->inotify_) return fail_errno(errno, "inotify_init1 (raise fs.inotify.max_user_instances)");
  if (inotify_add_watch(watch->inotify_.get(), folder.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0)
    return fail_errno(errno, cat("watch ", folder));
  auto ready = [w = watch.get()](unsigned) {
    char buffer[4096];
    while (::read(w->inotify_.get(), buffer, sizeof buffer) > 0) {
    }
    w->changed.set();
  };
  KOBUK_CHECK(loop.watch_fd(watch->inotify_.get(), io::Loop::kRead, ready));
  return watch;
}

FolderWatch::~FolderWatch() {
  if (inotify_) loop_.unwatch_fd(inotify_.get());
}

}  // namespace kobuk::engine
