// A log as a response body: rotated files first, then the current one, then what is written while somebody follows.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <deque>

#include "base/strings.h"
#include "node/logs.h"
#include "sys/fd.h"
#include "sys/file.h"
#include "sys/file_watch.h"

namespace kobuk::node {
namespace {

constexpr size_t kChunk = 64 << 10;
constexpr int kMaxRotated = 64;

class LogStream final : public io::http::BodySource {
 public:
  LogStream(io::Loop& loop, std::string path, LogOptions options, FollowedContainer container)
      : loop_(loop), path_(std::move(path)), options_(options), container_(std::move(container)), filter_(std::move(options)) {}
  ~LogStream() override {
    if (watch_) loop_.unwatch_fd(watch_.get());
  }
  Result<void> open();
  io::Task<Result<std::string>> next() override;

 private:
  Result<void> skip_to_tail();
  bool rotated() const;

  io::Loop& loop_;
  std::string path_;
  LogOptions options_;
  FollowedContainer container_;
  LogFilter filter_;
  struct File {
    sys::UniqueFd fd;
    bool current = false;
  };
  std::deque<File> files_;  // oldest first; the front is read
  sys::UniqueFd watch_;
};

Result<void> LogStream::open() {
  if (options_.follow) {  // before the files, so that nothing is missed in between
    KOBUK_TRY(watch_, sys::watch_directory(path_.substr(0, path_.rfind('/'))));
    int fd = watch_.get();
    auto changed = container_.changed;
    KOBUK_CHECK(loop_.watch_fd(fd, io::Loop::kRead, [fd, changed](unsigned) {
      sys::drain_watch(fd);
      changed->set();
    }));
  }
  KOBUK_TRY(sys::UniqueFd current, sys::open_file(path_, O_RDONLY));
  files_.push_back({std::move(current), true});
  for (int i = 1; i <= kMaxRotated; ++i) {
    auto older = sys::open_file(cat(path_, ".", i), O_RDONLY);
    if (!older) break;
    files_.push_front({*std::move(older), false});
  }
  return skip_to_tail();
}

Result<void> LogStream::skip_to_tail() {
  if (!options_.tail_lines) return {};
  int64_t missing = *options_.tail_lines;
  if (missing == 0) {
    while (files_.size() > 1) files_.pop_front();
    if (::lseek(files_.front().fd.get(), 0, SEEK_END) < 0) return fail_errno(errno, "seek in a log");
    return {};
  }
  for (size_t i = files_.size(); i-- > 0;) {
    KOBUK_TRY(int64_t offset, find_tail(files_[i].fd.get(), missing));
    if (::lseek(files_[i].fd.get(), offset, SEEK_SET) < 0) return fail_errno(errno, "seek in a log");
    if (missing > 0) continue;
    files_.erase(files_.begin(), files_.begin() + static_cast<ptrdiff_t>(i));
    break;
  }
  return {};
}

// Is there a newer file under the name of the one that is read?
bool LogStream::rotated() const {
  struct stat ours{}, there{};
  if (::fstat(files_.front().fd.get(), &ours) != 0 || ::stat(path_.c_str(), &there) != 0) return false;
  return ours.st_ino != there.st_ino || ours.st_dev != there.st_dev;
}

io::Task<Result<std::string>> LogStream::next() {
  std::string chunk, out;
  while (!files_.empty() && !filter_.full()) {
    // The order matters: what is written before the container ends is in the file by then.
    bool running = options_.follow && container_.running();
    container_.changed->reset();
    bool newer = files_.front().current && rotated();
    chunk.resize(kChunk);
    ssize_t got = ::read(files_.front().fd.get(), chunk.data(), chunk.size());
    if (got < 0) co_return fail_errno(errno, cat("read ", path_));
    if (got > 0) {
      filter_.feed(std::string_view(chunk).substr(0, static_cast<size_t>(got)), out);
      if (!out.empty()) co_return out;
      continue;
    }
    if (!files_.front().current) {
      files_.pop_front();
      filter_.end_of_file();
      continue;
    }
    if (newer) {
      auto current = sys::open_file(path_, O_RDONLY);
      if (current) files_.front().fd = *std::move(current);
      filter_.end_of_file();
      continue;
    }
    if (!running) break;
    co_await container_.changed->wait();
  }
  co_return std::string();
}

}  // namespace

Result<std::unique_ptr<io::http::BodySource>> open_log(io::Loop& loop, const std::string& path, LogOptions options,
                                                       FollowedContainer container) {
  auto stream = std::make_unique<LogStream>(loop, path, std::move(options), std::move(container));
  KOBUK_CHECK(stream->open());
  return stream;
}

}  // namespace kobuk::node
