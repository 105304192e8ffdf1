// docker ps, logs, stop, rm.
#include <algorithm>

#include "app/columns.h"
#include "app/command_end.h"
#include "app/docker/commands.h"
#include "base/clock.h"
#include "codec/json.h"

namespace kobuk::app::docker {
namespace {

using codec::Value;
using io::http::percent_encode;

std::string short_text(const std::string& text, size_t most) {
  return text.size() <= most ? text : text.substr(0, most - 3) + "…";
}

std::string ports_text(const Value& ports) {
  std::vector<std::string> out;
  for (const Value& port : ports.items()) {
    std::string inner = cat(port["PrivatePort"].as_int(), "/", port["Type"].as_string());
    if (port["PublicPort"].as_int() == 0) out.push_back(inner);
    else out.push_back(cat(port["IP"].as_string(), ":", port["PublicPort"].as_int(), "->", inner));
  }
  std::sort(out.begin(), out.end());
  return join(out, ", ");
}

}  // namespace

CommandLine::CommandLine(std::string name, std::string summary) : options(cat("kobuk docker ", name), std::move(summary)) {
  options.text("profile", 0, "NAME", "the profile of kobuk (default \"default\")", &profile);
}

Result<std::optional<std::vector<std::string>>> CommandLine::parse(const std::vector<std::string>& arguments) {
  KOBUK_TRY(auto rest, options.parse(arguments));
  if (!options.help_wanted()) return std::move(rest);
  print_help(options);
  return std::nullopt;
}

std::string human_duration(int64_t seconds) {
  constexpr int64_t kMinute = 60, kHour = 3600, kDay = 86400;
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < kMinute) return cat(seconds, " seconds");
  if (seconds < 2 * kMinute) return "About a minute";
  if (seconds < kHour) return cat(seconds / kMinute, " minutes");
  if (seconds < 2 * kHour) return "About an hour";
  if (seconds < 2 * kDay) return cat(seconds / kHour, " hours");
  if (seconds < 14 * kDay) return cat(seconds / kDay, " days");
  if (seconds < 60 * kDay) return cat(seconds / (7 * kDay), " weeks");
  if (seconds < 730 * kDay) return cat(seconds / (30 * kDay), " months");
  return cat(seconds / (365 * kDay), " years");
}

Result<int> ps(const std::vector<std::string>& arguments) {
  bool all = false, quiet = false, full = false;
  CommandLine line("ps", "List containers");
  line.options.flag("all", 'a', "those too that do not run", &all);
  line.options.flag("quiet", 'q', "only ids", &quiet);
  line.options.flag("no-trunc", 0, "whole ids and commands", &full);
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (!rest->empty()) return fail(Code::kInvalid, "docker ps accepts no arguments");
  KOBUK_TRY(Client client, Client::open(line.profile));
  KOBUK_TRY(codec::Document list, client.get_json(all ? "/containers/json?all=1" : "/containers/json"));
  std::vector<std::vector<std::string>> rows = {{"CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "PORTS", "NAMES"}};
  int64_t now = std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch()).count();
  for (const Value& container : list.root.items()) {
    std::string id(container["Id"].as_string()), command(container["Command"].as_string());
    if (!full) id = id.substr(0, 12), command = short_text(command, 20);
    if (quiet) print(id + "\n");
    std::vector<std::string> names;
    for (const Value& name : container["Names"].items()) names.emplace_back(name.as_string().substr(1));
    rows.push_back({id, std::string(container["Image"].as_string()), cat("\"", command, "\""),
                    cat(human_duration(now - container["Created"].as_int()), " ago"), std::string(container["Status"].as_string()),
                    ports_text(container["Ports"]), join(names, ",")});
  }
  if (!quiet) print(align_columns(rows));
  return 0;
}

Result<int> logs(const std::vector<std::string>& arguments) {
  bool follow = false, timestamps = false;
  std::string tail = "all", since;
  CommandLine line("logs", "Print what a container has written");
  line.options.flag("follow", 'f', "go on with what it writes", &follow);
  line.options.flag("timestamps", 't', "each line with its time", &timestamps);
  line.options.text("tail", 'n', "LINES", "only the last so many", &tail);
  line.options.text("since", 0, "TIME", "only since a time (RFC 3339 or seconds since 1970)", &since);
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->size() != 1) return fail(Code::kInvalid, "docker logs requires exactly 1 argument: CONTAINER");
  KOBUK_TRY(Client client, Client::open(line.profile));
  KOBUK_TRY(codec::Document container, client.get_json(cat("/containers/", percent_encode(rest->front()), "/json")));
  bool terminal = container.root["Config"]["Tty"].as_bool();
  std::string target = cat("/containers/", percent_encode(rest->front()), "/logs?stdout=1&stderr=1&tail=", percent_encode(tail));
  if (follow) target += "&follow=1";
  if (timestamps) target += "&timestamps=1";
  if (!since.empty()) cat_to(target, "&since=", percent_encode(since));
  Demultiplexer frames([](bool is_stderr, std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), is_stderr ? stderr : stdout);
    std::fflush(stdout);
  });
  KOBUK_CHECK(client.stream({.target = target}, [&](std::string_view piece) {
    if (terminal) print(piece);
    else frames.feed(piece);
    return true;
  }));
  return 0;
}

namespace {

// Acts on each container; the names that worked are printed, the last error is the result.
Result<int> for_each(Client& client, const std::vector<std::string>& names, const std::string& method, const std::string& suffix) {
  std::optional<Error> failed;
  for (const std::string& name : names) {
    auto done = client.send({.method = method, .target = cat("/containers/", percent_encode(name), suffix)});
    if (done) {
      print(name + "\n");
      continue;
    }
    if (failed) std::fprintf(stderr, "%s\n", failed->message().c_str());
    failed = std::move(done).error();
  }
  if (failed) return fail(*std::move(failed));
  return 0;
}

}  // namespace

Result<int> stop(const std::vector<std::string>& arguments) {
  int64_t timeout = -1;
  std::string signal;
  CommandLine line("stop", "Stop containers: their stop signal, then SIGKILL");
  line.options.number("timeout", 't', "SECONDS", "until SIGKILL (default 10)", &timeout);
  line.options.text("signal", 's', "NAME", "instead of the image's stop signal", &signal);
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->empty()) return fail(Code::kInvalid, "docker stop requires at least 1 argument: CONTAINER");
  KOBUK_TRY(Client client, Client::open(line.profile));
  std::string query = timeout >= 0 ? cat("?t=", timeout) : "";
  if (!signal.empty()) cat_to(query, query.empty() ? "?" : "&", "signal=", percent_encode(signal));
  return for_each(client, *rest, "POST", cat("/stop", query));
}

Result<int> remove(const std::vector<std::string>& arguments) {
  bool force = false, volumes = false;
  CommandLine line("rm", "Remove containers");
  line.options.flag("force", 'f', "those too that run", &force);
  line.options.flag("volumes", 'v', "their anonymous volumes too", &volumes);
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->empty()) return fail(Code::kInvalid, "docker rm requires at least 1 argument: CONTAINER");
  KOBUK_TRY(Client client, Client::open(line.profile));
  return for_each(client, *rest, "DELETE", cat("?force=", force ? 1 : 0, "&v=", volumes ? 1 : 0));
}

}  // namespace kobuk::app::docker
