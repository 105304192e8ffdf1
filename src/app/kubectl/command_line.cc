#include <chrono>

#include "app/command_end.h"
#include "app/kubectl/commands.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {

CommandLine::CommandLine(std::string name, std::string summary) : options(cat("kobuk kubectl ", name), std::move(summary)) {
  options.text("namespace", 'n', "NAME", "the namespace (default that of the kubeconfig)", &choice.space);
  options.text("profile", 0, "NAME", "the profile of kobuk (default \"default\")", &choice.profile);
  options.text("kubeconfig", 0, "FILE", "instead of $KUBECONFIG and the profile's", &choice.kubeconfig);
  options.text("context", 0, "NAME", "of the kubeconfig", &choice.context);
}

Result<std::optional<std::vector<std::string>>> CommandLine::parse(const std::vector<std::string>& arguments) {
  auto rest = options.parse(arguments);
  if (!rest) return fail(std::move(rest).error().context("error"));
  if (options.help_wanted()) {
    print_help(options);
    return std::nullopt;
  }
  return *std::move(rest);
}

Result<int64_t> parse_seconds(std::string_view text) {
  int64_t total = 0, number = 0;
  bool digits = false;
  for (char c : text) {
    if (c >= '0' && c <= '9' && number < 1'000'000'000) {
      number = number * 10 + (c - '0');
      digits = true;
      continue;
    }
    int64_t unit = c == 's' ? 1 : c == 'm' ? 60 : c == 'h' ? 3600 : 0;
    if (!digits || unit == 0) return fail(Code::kInvalid, "error: invalid duration ", go_quote(text), "; use 90s, 5m or 1h30m");
    total += number * unit;
    number = 0;
    digits = false;
  }
  if (digits || total == 0) return fail(Code::kInvalid, "error: invalid duration ", go_quote(text), "; use 90s, 5m or 1h30m");
  return total;
}

Result<void> wait_for(Session& session, const Resource& resource, const std::string& space, const std::string& name,
                      Duration timeout, const std::string& timeout_text, const std::function<Result<bool>(const codec::Value&)>& done) {
  auto deadline = std::chrono::steady_clock::now() + timeout;
  for (;;) {
    auto object = session.get_json(path_of(resource, space, name));
    if (!object && object.error().code() != Code::kNotFound) return fail(std::move(object).error());
    KOBUK_TRY(bool finished, done(object ? object->root : codec::Value{}));
    if (finished || !object) return {};
    auto left = std::chrono::duration_cast<std::chrono::seconds>(deadline - std::chrono::steady_clock::now()).count();
    if (left <= 0) return fail(Code::kTimeout, timeout_text);
    std::string path = path_of(resource, space);
    add_query(path, "watch", "true");
    add_query(path, "fieldSelector", cat("metadata.name=", name));
    add_query(path, "resourceVersion", object->root["metadata"]["resourceVersion"].as_string());
    add_query(path, "timeoutSeconds", cat(left));
    KOBUK_CHECK(session.stream({.target = path}, [](std::string_view) { return false; }));  // one change, then look again
  }
}

}  // namespace kobuk::app::kubectl
