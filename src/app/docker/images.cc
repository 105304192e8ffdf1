// docker pull, push, tag, images, import, load.
#include "app/columns.h"
#include "app/command_end.h"
#include "app/docker/commands.h"
#include "base/clock.h"
#include "codec/json.h"
#include "io/http.h"

namespace kobuk::app::docker {
namespace {

using io::http::percent_encode;

struct Name {
  std::string repository, tag;
};
// "host:5000/a/b:v1" → {"host:5000/a/b", "v1"}; the engine knows the rest of the grammar.
Name split_name(const std::string& reference) {
  size_t at = reference.find('@');
  if (at != std::string::npos) return {reference.substr(0, at), reference.substr(at + 1)};
  size_t slash = reference.rfind('/'), colon = reference.rfind(':');
  bool tagged = colon != std::string::npos && (slash == std::string::npos || colon > slash);
  return tagged ? Name{reference.substr(0, colon), reference.substr(colon + 1)} : Name{reference, "latest"};
}

// What docker sends when nobody has logged in.
std::pair<std::string, std::string> no_credentials() { return {"X-Registry-Auth", base64_url("{}")}; }

// docker/go-units HumanSize: three figures, decimal units.
std::string human_size(int64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1000 && unit + 1 < std::size(kUnits); ++unit) size /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.3g%s", size, kUnits[unit]);
  return text;
}

}  // namespace

Result<void> pull_image(Client& client, const std::string& reference, bool quiet) {
  Name name = split_name(reference);
  if (!quiet && reference == name.repository) print(cat("Using default tag: ", name.tag, "\n"));
  ProgressPrinter progress(quiet);
  KOBUK_CHECK(client.stream({.method = "POST",
                             .target = cat("/images/create?fromImage=", percent_encode(name.repository), "&tag=", percent_encode(name.tag)),
                             .headers = {no_credentials()}},
                            [&](std::string_view piece) { progress.feed(piece); return true; }));
  return progress.result();
}

Result<int> pull(const std::vector<std::string>& arguments) {
  bool quiet = false;
  CommandLine line("pull", "Download an image from a registry");
  line.options.flag("quiet", 'q', "no progress", &quiet);
  line.options.example("kobuk docker pull nginx:latest");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->size() != 1) return fail(Code::kInvalid, "docker pull requires exactly 1 argument: NAME[:TAG|@DIGEST]");
  KOBUK_TRY(Client client, Client::open(line.profile));
  KOBUK_CHECK(pull_image(client, rest->front(), quiet));
  return 0;
}

Result<int> push(const std::vector<std::string>& arguments) {
  bool quiet = false;
  CommandLine line("push", "Upload an image to a registry");
  line.options.flag("quiet", 'q', "no progress", &quiet);
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->size() != 1) return fail(Code::kInvalid, "docker push requires exactly 1 argument: NAME[:TAG]");
  KOBUK_TRY(Client client, Client::open(line.profile));
  Name name = split_name(rest->front());
  ProgressPrinter progress(quiet);
  KOBUK_CHECK(client.stream({.method = "POST", .target = cat("/images/", name.repository, "/push?tag=", percent_encode(name.tag)),
                             .headers = {no_credentials()}},
                            [&](std::string_view piece) { progress.feed(piece); return true; }));
  KOBUK_CHECK(progress.result());
  return 0;
}

Result<int> tag(const std::vector<std::string>& arguments) {
  CommandLine line("tag", "Give an image one more name");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->size() != 2) return fail(Code::kInvalid, "docker tag requires exactly 2 arguments: SOURCE TARGET");
  KOBUK_TRY(Client client, Client::open(line.profile));
  Name name = split_name((*rest)[1]);
  KOBUK_TRY(std::string done, client.send({.method = "POST", .target = cat("/images/", (*rest)[0], "/tag?repo=", percent_encode(name.repository), "&tag=", percent_encode(name.tag))}));
  return 0;
}

Result<int> images(const std::vector<std::string>& arguments) {
  bool quiet = false, full = false;
  CommandLine line("images", "List images");
  line.options.flag("quiet", 'q', "only ids", &quiet);
  line.options.flag("no-trunc", 0, "whole ids", &full);
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (!rest->empty()) return fail(Code::kInvalid, "docker images takes no arguments here");
  KOBUK_TRY(Client client, Client::open(line.profile));
  KOBUK_TRY(codec::Document list, client.get_json("/images/json"));
  std::vector<std::vector<std::string>> rows = {{"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"}};
  int64_t now = std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch()).count();
  for (const codec::Value& image : list.root.items()) {
    std::string id(image["Id"].as_string());
    if (!full) id = id.substr(id.find(':') + 1, 12);
    if (quiet) print(id + "\n");
    std::vector<std::string> names;
    for (const codec::Value& name : image["RepoTags"].items()) names.emplace_back(name.as_string());
    if (names.empty()) names.emplace_back("<none>:<none>");
    for (const std::string& name : names) {
      size_t colon = name.rfind(':');
      rows.push_back({name.substr(0, colon), name.substr(colon + 1), id, cat(human_duration(now - image["Created"].as_int()), " ago"),
                      human_size(image["Size"].as_int())});
    }
  }
  if (!quiet) print(align_columns(rows));
  return 0;
}

Result<int> import(const std::vector<std::string>& arguments) {
  std::vector<std::string> changes;
  CommandLine line("import", "Make an image of a file system in a tar archive");
  line.options.list("change", 'c', "INSTRUCTION", "a Dockerfile instruction for its configuration (CMD, EXPOSE, ENV, …)", &changes);
  line.options.example("kobuk docker import -c 'CMD [\"nginx\"]' rootfs.tar my-nginx:latest");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (rest->empty() || rest->size() > 2) return fail(Code::kInvalid, "docker import requires at least 1 argument: FILE|- [REPOSITORY[:TAG]]");
  KOBUK_TRY(Client client, Client::open(line.profile));
  std::string target = "/images/create?fromSrc=-";
  if (rest->size() == 2) {
    Name name = split_name((*rest)[1]);
    cat_to(target, "&repo=", percent_encode(name.repository), "&tag=", percent_encode(name.tag));
  }
  for (const std::string& change : changes) cat_to(target, "&changes=", percent_encode(change));
  ProgressPrinter progress(false);
  KOBUK_CHECK(client.upload({.target = target}, rest->front(), [&](std::string_view piece) { progress.feed(piece); return true; }));
  KOBUK_CHECK(progress.result());
  return 0;
}

Result<int> load(const std::vector<std::string>& arguments) {
  std::string input = "-";
  CommandLine line("load", "Load images from an archive of docker save");
  line.options.text("input", 'i', "FILE", "instead of standard input", &input);
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return 0;
  if (!rest->empty()) return fail(Code::kInvalid, "docker load takes no arguments; name the file with -i");
  KOBUK_TRY(Client client, Client::open(line.profile));
  ProgressPrinter progress(false);
  KOBUK_CHECK(client.upload({.target = "/images/load?quiet=1"}, input, [&](std::string_view piece) { progress.feed(piece); return true; }));
  KOBUK_CHECK(progress.result());
  return 0;
}

}  // namespace kobuk::app::docker
