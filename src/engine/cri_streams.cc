// The CRI's streams: attaching to a container's own, and connections into a sandbox.
#include "engine/cri_service.h"
#include "engine/stream_pipe.h"
#include "sys/netns_connect.h"

namespace kobuk::engine {
namespace {

constexpr Duration kConnectPatience = std::chrono::seconds(30);

class InputWriter final : public io::Stream {
 public:
  explicit InputWriter(std::shared_ptr<runtime::Attachment> to) : to_(std::move(to)) {}
  io::Task<Result<std::string>> read(size_t) override { co_return fail(Code::kUnsupported, "an input can't be read"); }
  io::Task<Result<void>> write(std::string_view bytes) override {
    auto to = to_;
    auto written = co_await to->write(std::string(bytes));
    co_return written;
  }
  io::Task<Result<void>> shutdown_write() override { co_return to_->close_stdin(); }
  void close() override { auto closed = to_->close_stdin(); }

 private:
  std::shared_ptr<runtime::Attachment> to_;
};

// Hands what comes to the two pipes, as fast as they are read.
io::Task<void> distribute(std::shared_ptr<runtime::Attachment> from, std::shared_ptr<Pipe> out, std::shared_ptr<Pipe> err) {
  while (true) {
    auto chunk = co_await from->read();
    if (!chunk || !*chunk) break;
    std::shared_ptr<Pipe> to = (*chunk)->is_stderr ? err : out;
    while (to->bytes > kPipeBytes && !to->closed) {
      to->changed.reset();
      co_await to->changed.wait();
    }
    if (to->closed) continue;
    to->put(std::move((*chunk)->bytes));
  }
  out->end();
  err->end();
}

// A connection that was begun, until it stands. Never on the pool: a server that accepts nobody lets it wait for minutes.
io::Task<Result<void>> connected(io::Loop& loop, std::shared_ptr<sys::UniqueFd> socket) {
  io::Event ready(loop);
  bool writable = false;
  KOBUK_CO_CHECK(loop.watch_fd(socket->get(), io::Loop::kWrite, [&ready, &writable](unsigned) {
    writable = true;
    ready.set();
  }));
  struct Unwatch {
    io::Loop& loop;
    int fd;
    ~Unwatch() { loop.unwatch_fd(fd); }
  } unwatch{loop, socket->get()};
  Deadline deadline(loop, kConnectPatience, ready);
  co_await ready.wait();
  if (!writable) co_return fail(Code::kTimeout, "nobody accepted the connection in ", kConnectPatience / std::chrono::seconds(1), " s");
  co_return sys::connect_outcome(socket->get());
}

class AttachedProcess final : public CriProcess {
 public:
  AttachedProcess(Core& core, EntryPtr entry, std::shared_ptr<runtime::Attachment> attachment, bool in, bool out, bool err)
      : core_(core), entry_(std::move(entry)), attachment_(std::move(attachment)), exits_(entry_->exits), pump_(core.loop()) {
    auto out_pipe = std::make_shared<Pipe>(core.loop()), err_pipe = std::make_shared<Pipe>(core.loop());
    out_pipe->closed = !out, err_pipe->closed = !err;
    if (in) in_ = std::make_unique<InputWriter>(attachment_);
    if (out) out_ = std::make_unique<PipeReader>(out_pipe);
    if (err) err_ = std::make_unique<PipeReader>(err_pipe);
    pump_.spawn(distribute(attachment_, out_pipe, err_pipe));
  }
  ~AttachedProcess() override { attachment_->close(); }
  io::Stream* in() override { return in_.get(); }
  io::Stream* out() override { return out_.get(); }
  io::Stream* err() override { return err_.get(); }
  void close_in() override {
    if (in_) in_->close();
    in_.reset();
  }
  Result<void> resize(uint16_t columns, uint16_t rows) override {
    KOBUK_TRY(runtime::Container * container, core_.running(entry_));
    (void)container;
    core_.spawn(resize_later(core_, entry_, {columns, rows}));
    return {};
  }
  io::Task<Result<int>> wait() override {
    KOBUK_CO_TRY(int64_t code, co_await core_.wait(entry_, WaitFor::kNextExit, exits_, {}));
    co_return static_cast<int>(code);
  }

 private:
  // A size that comes too late is no error: the next one follows.
  static io::Task<void> resize_later(Core& core, EntryPtr entry, runtime::ConsoleSize size) {
    auto container = core.running(entry);
    if (!container) co_return;
    auto resized = co_await (*container)->resize(size);
  }
  Core& core_;
  EntryPtr entry_;
  std::shared_ptr<runtime::Attachment> attachment_;
  uint64_t exits_;
  std::unique_ptr<io::Stream> in_, out_, err_;
  io::TaskGroup pump_;  // last: it uses the members above
};

}  // namespace

io::Task<Result<std::unique_ptr<CriProcess>>> CriService::attach(std::string id, bool tty, bool in, bool out, bool err) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  if (tty != entry->record.tty) co_return fail(Code::kInvalid, "container ", id, tty ? " has no terminal" : " has a terminal: attach with one");
  KOBUK_CO_TRY(runtime::Container * container, core_.running(entry));
  runtime::Container::AttachOptions options{.in = in && entry->record.stdin_open, .out = out, .err = err && !tty};
  KOBUK_CO_TRY(auto attachment, co_await container->attach(options));
  std::shared_ptr<runtime::Attachment> shared = std::move(attachment);
  co_return std::make_unique<AttachedProcess>(core_, entry, shared, options.in, out, options.err);
}

io::Task<Result<std::unique_ptr<io::Stream>>> CriService::port_forward(std::string sandbox, uint16_t port) {
  KOBUK_CO_TRY(EntryPtr entry, find(sandbox, Origin::kSandbox));
  KOBUK_CO_TRY(runtime::Container * container, core_.running(entry));
  std::string path = entry->record.network_mode == "host" ? "/proc/self/ns/net" : container->namespace_path(runtime::NamespaceKind::kNetwork);
  std::string what = cat("port ", port, " of pod sandbox ", sandbox);
  auto begun = sys::begin_connect_in_namespace(path, "127.0.0.1", port);
  if (!begun) co_return fail(std::move(begun).error().context(what));
  auto socket = std::make_shared<sys::UniqueFd>(*std::move(begun));
  auto stands = co_await connected(core_.loop(), socket);
  if (!stands) co_return fail(std::move(stands).error().context(what));
  co_return io::adopt_fd(core_.loop(), socket->release());
}

}  // namespace kobuk::engine
