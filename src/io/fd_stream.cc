#include "io/fd_stream.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "io/stream.h"

namespace kobuk::io {
namespace detail {

PollFd::Waiter::~Waiter() {
  if (listed) owner->remove(this);
  if (timer != 0) owner->loop_.cancel_timer(timer);
}

void PollFd::Waiter::await_suspend(std::coroutine_handle<> handle) {
  waiting = handle;
  next = owner->waiters_;
  owner->waiters_ = this;
  listed = true;
  owner->update();
}

void PollFd::remove(Waiter* waiter) {
  for (Waiter** link = &waiters_; *link != nullptr; link = &(*link)->next) {
    if (*link != waiter) continue;
    *link = waiter->next;
    waiter->listed = false;
    return;
  }
}

void PollFd::update() {
  unsigned wanted = 0;
  for (Waiter* waiter = waiters_; waiter != nullptr; waiter = waiter->next) wanted |= waiter->interest;
  if ((wanted | registered_) == registered_ && watched_) return;
  // A descriptor that epoll refuses (a plain file) is always ready.
  if (!loop_.watch_fd(fd_, wanted | registered_, [this](unsigned bits) { ready(bits); })) {
    ready(Loop::kRead | Loop::kWrite);
    return;
  }
  registered_ |= wanted;
  watched_ = true;
}

void PollFd::ready(unsigned bits) {
  bool anybody = false;
  for (Waiter *waiter = waiters_, *next = nullptr; waiter != nullptr; waiter = next) {
    next = waiter->next;
    if ((waiter->interest & bits) == 0) continue;
    anybody = true;
    remove(waiter);
    waiter->timer = loop_.start_timer(Duration{0}, [waiter] {
      waiter->timer = 0;
      waiter->waiting.resume();
    });
  }
  if (anybody || !watched_) return;
  loop_.unwatch_fd(fd_);
  watched_ = false;
  registered_ = 0;
  if (waiters_ != nullptr) update();
}

int PollFd::release() {
  if (watched_) loop_.unwatch_fd(fd_);
  watched_ = false;
  return std::exchange(fd_, -1);
}

void PollFd::close() {
  if (fd_ < 0) return;
  if (watched_) loop_.unwatch_fd(fd_);
  watched_ = false;
  ::close(fd_);
  fd_ = -1;
  ready(Loop::kRead | Loop::kWrite);
}

}  // namespace detail

namespace {

class FdStream final : public Stream {
 public:
  FdStream(Loop& loop, int fd) : loop_(loop), poll_(loop, fd) {}

  Task<Result<std::string>> read(size_t max) override {
    std::string buffer;
    while (!poll_.closed()) {
      buffer.resize_and_overwrite(max, [](char*, size_t size) { return size; });
      ssize_t got = ::read(poll_.fd(), buffer.data(), max);
      if (got >= 0) {
        buffer.resize(static_cast<size_t>(got));
        co_return buffer;
      }
      if (errno == EINTR) continue;
      if (errno == EIO) co_return std::string();  // a pty whose other side has closed
      if (errno != EAGAIN) co_return fail_errno(errno, "read");
      buffer = std::string();  // an idle connection holds no buffer
      co_await poll_.wait(Loop::kRead);
    }
    co_return fail(Code::kCancelled, "the connection was closed on this side");
  }

  Task<Result<void>> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      if (poll_.closed()) co_return fail(Code::kCancelled, "the connection was closed on this side");
      ssize_t put = ::send(poll_.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (put < 0 && errno == ENOTSOCK) put = ::write(poll_.fd(), bytes.data(), bytes.size());
      if (put >= 0) {
        bytes.remove_prefix(static_cast<size_t>(put));
        continue;
      }
      if (errno == EINTR) continue;
      if (errno != EAGAIN) co_return fail_errno(errno, "write");
      Stall stall(*this);
      co_await poll_.wait(Loop::kWrite);
      if (stalled_) co_return fail(Code::kTimeout, "the peer does not read what is sent");
    }
    co_return Result<void>();
  }

  Task<Result<void>> shutdown_write() override {
    // A pipe or pty has no halves: nothing to do.
    if (!poll_.closed() && ::shutdown(poll_.fd(), SHUT_WR) != 0 && errno != ENOTSOCK && errno != ENOTCONN) {
      co_return fail_errno(errno, "shutdown");
    }
    co_return Result<void>();
  }

  void close() override { poll_.close(); }
  void set_write_timeout(Duration timeout) override { write_timeout_ = timeout; }

 private:
  // While it lives, a peer that takes nothing for the write timeout loses the connection.
  struct Stall {
    FdStream& stream;
    Loop::TimerId timer = 0;
    explicit Stall(FdStream& s) : stream(s) {
      if (s.write_timeout_ <= Duration{0}) return;
      timer = s.loop_.start_timer(s.write_timeout_, [this] {
        timer = 0;
        stream.stalled_ = true;
        stream.poll_.close();
      });
    }
    Stall(const Stall&) = delete;
    ~Stall() {
      if (timer != 0) stream.loop_.cancel_timer(timer);
    }
  };
  Loop& loop_;
  detail::PollFd poll_;
  Duration write_timeout_{0};
  bool stalled_ = false;
};

}  // namespace

std::unique_ptr<Stream> adopt_fd(Loop& loop, int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags >= 0) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  return std::make_unique<FdStream>(loop, fd);
}

}  // namespace kobuk::io
