// docker run: create (pulling the image when it is missing), attach, start, wait.
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "app/command_end.h"
#include "app/docker/run_options.h"
#include "codec/json.h"

namespace kobuk::app::docker {
namespace {

// The user's terminal, passed through as it is while a container has one; as before afterwards.
class RawTerminal {
 public:
  explicit RawTerminal(bool wanted) : active_(wanted && tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!active_) return;
    termios raw = before_;
    cfmakeraw(&raw);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
  }
  ~RawTerminal() {
    if (active_) tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
  }
  RawTerminal(const RawTerminal&) = delete;

 private:
  termios before_{};
  bool active_;
};

Result<std::string> create(Client& client, const RunOptions& options) {
  KOBUK_TRY(std::string body, create_body(options));
  std::string target = "/containers/create";
  if (!options.name.empty()) cat_to(target, "?name=", io::http::percent_encode(options.name));
  auto answer = client.send({.method = "POST", .target = target, .body = body});
  bool missing = !answer && answer.error().code() == Code::kNotFound && answer.error().message().find("No such image") != std::string::npos;
  if (missing) {
    std::fprintf(stderr, "Unable to find image '%s' locally\n", options.image.c_str());
    KOBUK_CHECK(pull_image(client, options.image, options.detach));
    answer = client.send({.method = "POST", .target = target, .body = body});
  }
  if (!answer) return fail(std::move(answer).error());
  KOBUK_TRY(codec::Document document, codec::parse_json(*answer));
  for (const codec::Value& warning : document.root["Warnings"].items()) {
    std::fprintf(stderr, "WARNING: %s\n", std::string(warning.as_string()).c_str());
  }
  return std::string(document.root["Id"].as_string());
}

void write_output(bool is_stderr, std::string_view text) {
  FILE* to = is_stderr ? stderr : stdout;
  std::fwrite(text.data(), 1, text.size(), to);
  std::fflush(to);
}

io::Task<void> copy_input(io::Loop& loop, io::Stream& to) {
  auto input = io::adopt_fd(loop, dup(STDIN_FILENO));
  for (;;) {
    auto piece = co_await input->read(32 << 10);
    if (!piece || piece->empty()) break;
    auto sent = co_await to.write(*piece);
    if (!sent) co_return;
  }
  auto closed = co_await to.shutdown_write();
  if (!closed) to.close();
}

io::Task<Result<void>> copy_output(io::Stream& from, bool terminal) {
  Demultiplexer frames(write_output);
  for (;;) {
    KOBUK_CO_TRY(std::string piece, co_await from.read(64 << 10));
    if (piece.empty()) co_return Result<void>();
    if (terminal) write_output(false, piece);
    else frames.feed(piece);
  }
}

io::Task<Result<void>> resize_to_ours(Client& client, std::string id) {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) co_return Result<void>();
  KOBUK_CO_TRY(io::http::Response answer, co_await client.exchange({.method = "POST", .target = cat("/containers/", id, "/resize?h=", size.ws_row, "&w=", size.ws_col)}));
  co_return Result<void>();
}

io::Task<Result<int>> run_attached(Client& client, std::string id, bool interactive, bool terminal, bool removed) {
  std::string attach = cat("/containers/", id, "/attach?stream=1&stdout=1&stderr=1", interactive ? "&stdin=1" : "");
  KOBUK_CO_TRY(auto stream, co_await client.hijack(attach, ""));
  // Asked before the start: with --rm it is gone afterwards.
  KOBUK_CO_TRY(io::http::Response waiting, co_await client.exchange({.method = "POST", .target = cat("/containers/", id, "/wait?condition=", removed ? "removed" : "next-exit")}));
  KOBUK_CO_CHECK(co_await Client::check(waiting));
  KOBUK_CO_TRY(io::http::Response started, co_await client.exchange({.method = "POST", .target = cat("/containers/", id, "/start")}));
  KOBUK_CO_CHECK(co_await Client::check(started));
  if (terminal) KOBUK_CO_CHECK(co_await resize_to_ours(client, id));
  io::TaskGroup input(client.loop());
  if (interactive) input.spawn(copy_input(client.loop(), *stream));
  KOBUK_CO_CHECK(co_await copy_output(*stream, terminal));
  KOBUK_CO_TRY(std::string end, co_await waiting.body.read_all(1 << 16));
  KOBUK_CO_TRY(codec::Document document, codec::parse_json(end));
  co_return static_cast<int>(document.root["StatusCode"].as_int());
}

}  // namespace

// The engine's answer has no field for it: docker's client reads the message too.
int run_exit_code(const Error& error) {
  auto says = [&](std::string_view text) { return error.message().find(text) != std::string::npos; };
  if (says("executable file not found") || says("no such file or directory")) return 127;
  if (says("permission denied") || says("is a directory")) return 126;
  return 125;
}

Result<int> run(const std::vector<std::string>& arguments) {
  RunOptions options;
  CommandLine line("run", "Make and start a container: [options] IMAGE [COMMAND] [ARGUMENT…]");
  declare_run_options(line.options, options);
  line.options.example("kobuk docker run -d -p 8080:80 --name my-nginx nginx:latest");
  line.options.example("kobuk docker run --rm -it alpine sh");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->empty()) return fail(Code::kInvalid, "docker run requires at least 1 argument: IMAGE");
  options.image = rest->front();
  options.command.assign(rest->begin() + 1, rest->end());
  if (options.tty && !options.detach && options.interactive && isatty(STDIN_FILENO) == 0) {
    return fail(Code::kInvalid, "the input device is not a TTY");
  }
  KOBUK_TRY(Client client, Client::open(line.profile));
  KOBUK_TRY(std::string id, create(client, options));
  if (options.detach) {
    KOBUK_TRY(std::string done, client.send({.method = "POST", .target = cat("/containers/", id, "/start")}));
    print(id + "\n");
    return 0;
  }
  RawTerminal raw(options.tty && options.interactive);
  return client.loop().run_until_done(run_attached(client, id, options.interactive, options.tty, options.rm));
}

}  // namespace kobuk::app::docker
