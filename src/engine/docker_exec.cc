// /containers/{id}/exec and /exec: further processes, their streams and their exit codes.
#include "codec/json.h"
#include "engine/docker.h"
#include "engine/docker_hijack.h"
#include "engine/exec_output.h"

namespace kobuk::engine::docker {
namespace {

using io::Stream;

std::vector<std::string> texts(const codec::Value& list) {
  std::vector<std::string> out;
  for (const codec::Value& item : list.items()) out.emplace_back(item.as_string());
  return out;
}

io::Task<Response> create(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  const codec::Value& config = body->root;
  auto exec = std::make_shared<ExecEntry>(call.core->loop());
  exec->args = texts(config["Cmd"]);
  exec->env = texts(config["Env"]);
  exec->user = config["User"].as_string();
  exec->cwd = config["WorkingDir"].as_string();
  exec->tty = config["Tty"].as_bool();
  exec->privileged = config["Privileged"].as_bool();
  exec->in = config["AttachStdin"].as_bool(), exec->out = config["AttachStdout"].as_bool(), exec->err = config["AttachStderr"].as_bool();
  exec->detach_keys = config["DetachKeys"].as_string();
  exec->rows = static_cast<uint16_t>(config["ConsoleSize"].at(0).as_int());
  exec->columns = static_cast<uint16_t>(config["ConsoleSize"].at(1).as_int());
  if (auto keys = DetachKeys::parse(exec->detach_keys); !keys) co_return error_response(keys.error());
  if (!exec->cwd.empty() && !exec->cwd.starts_with('/')) co_return message_response(400, cat("Cwd must be an absolute path: ", exec->cwd));
  auto made = call.core->create_exec(*entry, exec);
  if (!made) co_return error_response(made.error());
  JsonText out;
  out.open_object().field("Id", (*made)->id).close_object();
  co_return json(201, std::move(out));
}

// Where an exec's outputs go: frames in the client's connection, or a terminal's bytes as they are.
class Client final : public OutputSink {
 public:
  Client(io::Loop& loop, std::unique_ptr<Stream> stream, bool tty) : stream_(std::move(stream)), turns_(loop), tty_(tty) {}
  io::Task<bool> take(bool is_stderr, std::string bytes) override {
    std::string out = tty_ ? std::move(bytes) : frame(is_stderr ? StreamKind::kErr : StreamKind::kOut, bytes);
    auto pass = co_await turns_.enter();
    auto written = co_await stream_->write(out);
    co_return written.has_value();
  }
  Stream& stream() { return *stream_; }

 private:
  std::unique_ptr<Stream> stream_;
  Turnstile turns_;
  bool tty_;
};

io::Task<void> pump_in(std::shared_ptr<Client> client, std::shared_ptr<runtime::Exec> live, bool tty, DetachKeys keys) {
  while (true) {
    auto typed = co_await client->stream().read(32 << 10);
    if (!typed) co_return;
    if (typed->empty()) {
      if (!tty) live->close_in();
      co_return;
    }
    bool detached = false;
    std::string bytes = tty ? keys.pass(*typed, detached) : std::move(*typed);
    Stream* in = live->in();
    if (!bytes.empty() && in != nullptr) {
      auto written = co_await in->write(bytes);
      if (!written) co_return;
    }
    if (!detached) continue;
    client->stream().close();
    co_return;
  }
}

io::Task<void> serve_exec(Core& core, ExecPtr exec, std::unique_ptr<Stream> stream) {
  auto client = std::make_shared<Client>(core.loop(), std::move(stream), exec->tty);
  auto started = co_await core.start_exec(exec);
  if (!started) {
    std::string text = cat(started.error().message(), "\r\n");
    (void)co_await client->take(false, text);
    co_return;
  }
  auto live = *started;
  auto keys = DetachKeys::parse(exec->detach_keys);
  io::TaskGroup input(core.loop());
  if (exec->in && keys) input.spawn(pump_in(client, live, exec->tty, *keys));
  auto end = co_await read_outputs(core.loop(), live, client);
  // The exit code is known before the client hears the end and asks for it.
  while (!exec->exit_code) {
    exec->changed.reset();
    co_await exec->changed.wait();
  }
  client->stream().close();
}

io::Task<Response> start(Call call) {
  auto exec = call.core->find_exec(call.args[0]);
  if (!exec) co_return error_response(exec.error());
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  ExecPtr process = *exec;
  if (process->started) co_return message_response(409, cat("exec: exec command has already run or is running: ", process->id));
  auto entry = call.core->find(process->container_id);
  if (!entry) co_return error_response(entry.error());
  if (auto live = call.core->running(*entry); !live) co_return error_response(live.error());
  if (int64_t rows = body->root["ConsoleSize"].at(0).as_int(); rows > 0) {
    process->rows = static_cast<uint16_t>(rows);
    process->columns = static_cast<uint16_t>(body->root["ConsoleSize"].at(1).as_int());
  }
  if (body->root["Detach"].as_bool()) {
    process->in = process->out = process->err = false;
    auto started = co_await call.core->start_exec(process);
    if (!started) co_return error_response(started.error());
    co_return done({}, 200);
  }
  auto response = upgrade_response(call, process->tty);
  if (!response) co_return message_response(400, "starting an exec needs a connection to take over: send \"Connection: Upgrade\" and \"Upgrade: tcp\", or set Detach");
  response->upgrade = [core = call.core, process](std::unique_ptr<Stream> stream) { return serve_exec(*core, process, std::move(stream)); };
  co_return std::move(*response);
}

io::Task<Response> inspect(Call call) {
  auto exec = call.core->find_exec(call.args[0]);
  if (!exec) co_return error_response(exec.error());
  const ExecEntry& e = **exec;
  JsonText out;
  out.open_object().field("ID", e.id).field("Running", e.running);
  if (e.exit_code) {
    out.field("ExitCode", *e.exit_code);
  } else {
    out.null_field("ExitCode");
  }
  out.key("ProcessConfig").open_object().field("tty", e.tty).field("entrypoint", e.args.front());
  out.field("arguments", std::vector<std::string>(e.args.begin() + 1, e.args.end())).field("privileged", e.privileged);
  if (!e.user.empty()) out.field("user", e.user);
  out.close_object().field("OpenStdin", e.in).field("OpenStderr", e.err).field("OpenStdout", e.out).field("CanRemove", !e.running);
  out.field("ContainerID", e.container_id).field("DetachKeys", "").field("Pid", e.pid).close_object();
  co_return json(200, std::move(out));
}

io::Task<Response> resize(Call call) {
  auto exec = call.core->find_exec(call.args[0]);
  if (!exec) co_return error_response(exec.error());
  auto height = parse_uint(call.parameter("h")), width = parse_uint(call.parameter("w"));
  if (!height || !width || *height > 65535 || *width > 65535) co_return message_response(400, "invalid size: h and w must be numbers up to 65535");
  ExecPtr process = *exec;
  process->rows = static_cast<uint16_t>(*height), process->columns = static_cast<uint16_t>(*width);
  if (!process->live) co_return done({}, 200);  // taken when it starts
  co_return done(process->live->resize({process->columns, process->rows}), 200);
}

}  // namespace

std::vector<Route> exec_routes() {
  return {{"POST", "/containers/*/exec", create}, {"POST", "/exec/*/start", start}, {"GET", "/exec/*/json", inspect}, {"POST", "/exec/*/resize", resize}};
}

}  // namespace kobuk::engine::docker
