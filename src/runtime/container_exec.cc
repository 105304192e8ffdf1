// Exec and attach: streams into a running container.
#include <fcntl.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "runtime/channel.h"
#include "runtime/container.h"
#include "runtime/plan.h"
#include "runtime/seccomp_cache.h"
#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::runtime {

struct Exec::Ending {
  explicit Ending(io::Loop& loop) : done(loop) {}
  Result<ExitStatus> status = fail(Code::kUnavailable, "the process has not ended");
  io::Event done;
};

Exec::~Exec() = default;

io::Task<void> Exec::await_end(std::shared_ptr<Channel> channel, std::shared_ptr<Ending> ending) {
  auto receiving = channel->receive();
  auto message = co_await std::move(receiving);
  if (!message) {
    ending->status = fail(std::move(message).error());
  } else {
    ExitStatus status{message->reply.number, message->reply.signal, false, message->reply.time, {}};
    ending->status = std::move(status);
  }
  ending->done.set();
}

io::Task<Result<ExitStatus>> Exec::wait() {
  auto ending = ending_;
  co_await ending->done.wait();
  co_return ending->status;
}

Result<void> Exec::resize(ConsoleSize size) {
  if (!terminal_) return fail(Code::kFailedPrecondition, "the process has no terminal");
  winsize window{size.rows, size.columns, 0, 0};
  if (ioctl(terminal_.get(), TIOCSWINSZ, &window) != 0) return fail_errno(errno, "resize the terminal");
  return {};
}

Result<void> Exec::signal(int signal) {
  return channel_->send(Request{.kind = Request::Kind::kSignal, .signal = signal});
}

namespace {

struct ExecPipes {
  std::vector<sys::UniqueFd> theirs;
  sys::UniqueFd in, out, err;
};

Result<ExecPipes> make_pipes(const ExecSpec& spec) {
  ExecPipes pipes;
  if (spec.process.terminal) return pipes;
  auto add = [&](bool wanted, bool input, sys::UniqueFd& ours) -> Result<void> {
    if (!wanted) return {};
    KOBUK_TRY(auto pipe, sys::make_pipe());
    ours = std::move(input ? pipe.second : pipe.first);
    pipes.theirs.push_back(std::move(input ? pipe.first : pipe.second));
    return {};
  };
  KOBUK_CHECK(add(spec.stdin_open, true, pipes.in));
  KOBUK_CHECK(add(spec.stdout_open, false, pipes.out));
  KOBUK_CHECK(add(spec.stderr_open, false, pipes.err));
  return pipes;
}

Result<sys::UniqueFd> duplicate(const sys::UniqueFd& fd) {
  sys::UniqueFd copy(fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  if (!copy) return fail_errno(errno, "duplicate a terminal");
  return copy;
}

std::unique_ptr<io::Stream> stream_of(io::Loop& loop, sys::UniqueFd fd) {
  return fd ? io::adopt_fd(loop, fd.release()) : nullptr;
}

}  // namespace

io::Task<Result<std::unique_ptr<Exec>>> Container::exec(ExecSpec spec) {
  io::Loop& loop = runtime_.loop_;
  std::string directory = directory_;
  if (state_.phase != Phase::kRunning)
    co_return fail(Code::kFailedPrecondition, "container ", id_, " is ",
                   state_.phase == Phase::kPaused ? "paused" : "not running");
  KOBUK_CO_TRY(ProcessPlan plan, make_process_plan(spec.process, runtime_.facts_));
  if (spec.seccomp) {
    auto compiling = runtime_.seccomp_->filter(std::move(*spec.seccomp));
    KOBUK_CO_TRY(plan.seccomp_filter, co_await std::move(compiling));
  }
  KOBUK_CO_TRY(ExecPipes pipes, make_pipes(spec));
  KOBUK_CO_TRY(sys::UniqueFd bytes, sys::sealed_memory("plan", encode_process(plan), false));
  Request request{.kind = Request::Kind::kExec};
  request.in = static_cast<bool>(pipes.in);
  request.out = static_cast<bool>(pipes.out);
  request.err = static_cast<bool>(pipes.err);
  std::vector<int> fds = {bytes.get()};
  for (const auto& fd : pipes.theirs) fds.push_back(fd.get());
  KOBUK_CO_TRY(auto channel, connect_monitor(loop, directory));
  KOBUK_CO_CHECK(channel->send(request, fds));
  pipes.theirs.clear();
  auto receiving = channel->receive();
  KOBUK_CO_TRY(Channel::Message started, co_await std::move(receiving));
  if (started.reply.kind != Reply::Kind::kStarted) co_return fail(Code::kInternal, "the container's monitor did not say that the process was started");

  std::unique_ptr<Exec> exec(new Exec());
  exec->pid_ = started.reply.number;
  if (!started.fds.empty()) {
    exec->terminal_ = std::move(started.fds[0]);
    KOBUK_CO_TRY(sys::UniqueFd in, duplicate(exec->terminal_));
    KOBUK_CO_TRY(sys::UniqueFd out, duplicate(exec->terminal_));
    exec->in_ = stream_of(loop, std::move(in));
    exec->out_ = stream_of(loop, std::move(out));
  } else {
    exec->in_ = stream_of(loop, std::move(pipes.in));
    exec->out_ = stream_of(loop, std::move(pipes.out));
    exec->err_ = stream_of(loop, std::move(pipes.err));
  }
  exec->channel_ = channel;
  exec->ending_ = std::make_shared<Exec::Ending>(loop);
  loop.spawn(Exec::await_end(std::move(channel), exec->ending_));
  co_return exec;
}

io::Task<Result<std::unique_ptr<Attachment>>> Container::attach(AttachOptions options) {
  KOBUK_CO_TRY(auto channel, open_channel("attach"));
  Request request{.kind = Request::Kind::kAttach, .in = options.in, .out = options.out, .err = options.err};
  KOBUK_CO_CHECK(channel->send(request));
  auto receiving = channel->receive();
  KOBUK_CO_CHECK(co_await std::move(receiving));
  std::unique_ptr<Attachment> attachment(new Attachment());
  attachment->channel_ = std::move(channel);
  co_return attachment;
}

Attachment::~Attachment() { close(); }

void Attachment::close() {
  if (channel_) channel_->close();
}

io::Task<Result<std::optional<Attachment::Chunk>>> Attachment::read() {
  auto channel = channel_;
  auto receiving = channel->receive();
  auto message = co_await std::move(receiving);
  if (!message && message.error().code() == Code::kUnavailable) co_return std::optional<Chunk>();
  if (!message) co_return fail(std::move(message).error());
  co_return Chunk{message->reply.is_stderr, std::move(message->reply.bytes)};
}

io::Task<Result<void>> Attachment::write(std::string bytes) {
  auto channel = channel_;
  for (size_t at = 0; at < bytes.size(); at += kMaxInput) {
    Request request{.kind = Request::Kind::kInput, .bytes = bytes.substr(at, kMaxInput)};
    auto sending = channel->send_when_possible(std::move(request));
    KOBUK_CO_CHECK(co_await std::move(sending));
  }
  co_return Result<void>();
}

Result<void> Attachment::close_stdin() { return channel_->send(Request{.kind = Request::Kind::kCloseInput}); }

}  // namespace kobuk::runtime
