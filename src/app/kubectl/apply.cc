// kubectl apply, by server-side apply: the server merges and knows who owns which field.
#include "app/command_end.h"
#include "app/kubectl/commands.h"
#include "app/kubectl/targets.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

struct Wanted {
  std::vector<std::string> files;
  std::string validate = "strict", dry_run = "none";
};

void show_warnings(const Answer& answer) {
  for (const std::string& warning : answer.warnings) std::fprintf(stderr, "Warning: %s\n", warning.c_str());
}

// "created", "configured" or "unchanged".
Result<std::string_view> apply_one(Session& session, const ManifestObject& object, const Wanted& wanted) {
  if (object.name.empty()) return fail(Code::kInvalid, "error: resource name may not be empty");
  std::string path = path_of(*object.resource, object.space, object.name);
  std::string before;
  auto there = session.get_json(path);
  if (!there && there.error().code() != Code::kNotFound) return fail(std::move(there).error());
  if (there) before = there->root["metadata"]["resourceVersion"].as_string();
  add_query(path, "fieldManager", "kobuk-kubectl");
  add_query(path, "force", "true");
  add_query(path, "fieldValidation", wanted.validate == "strict" ? "Strict" : wanted.validate == "warn" ? "Warn" : "Ignore");
  if (wanted.dry_run == "server") add_query(path, "dryRun", "All");
  KOBUK_TRY(Answer answer, session.send({.method = "PATCH", .target = path, .body = object.json,
                                         .content_type = "application/apply-patch+yaml"}));
  show_warnings(answer);
  KOBUK_TRY(codec::Document after, codec::parse_json(answer.body));
  if (!there) return "created";
  return after.root["metadata"]["resourceVersion"].as_string() == before ? "unchanged" : "configured";
}

}  // namespace

Result<void> apply(const std::vector<std::string>& arguments) {
  Wanted wanted;
  CommandLine line("apply", "Create or change objects from files, by server-side apply");
  line.options.list("filename", 'f', "FILE", "a file, a folder, or - for standard input", &wanted.files);
  line.options.text("validate", 0, "MODE", "unknown fields: strict (refuse, default), warn, ignore", &wanted.validate);
  line.options.text("dry-run", 0, "MODE", "server: check everything, keep nothing", &wanted.dry_run);
  line.options.example("kobuk kubectl apply -f deployment.yaml");
  KOBUK_TRY(auto rest, line.parse(arguments));
  if (!rest) return {};
  if (!rest->empty()) return fail(Code::kInvalid, "error: Unexpected args: [", join(*rest, " "), "]");
  if (wanted.files.empty()) return fail(Code::kInvalid, "error: must specify one of -f and -k");
  if (wanted.dry_run != "none" && wanted.dry_run != "server") return fail(Code::kInvalid, "error: --dry-run takes none or server");
  if (wanted.validate != "strict" && wanted.validate != "warn" && wanted.validate != "ignore") {
    return fail(Code::kInvalid, "error: --validate takes strict, warn or ignore");
  }
  KOBUK_TRY(Session session, Session::open(line.choice));
  KOBUK_TRY(auto objects, read_manifests(session, wanted.files, line.choice.space));
  std::optional<Error> failed;  // the rest is tried all the same, as kubectl does
  for (const ManifestObject& object : objects) {
    auto done = apply_one(session, object, wanted);
    if (done) {
      print(cat(object.resource->title(object.name), " ", *done, wanted.dry_run == "server" ? " (server dry run)" : "", "\n"));
      continue;
    }
    if (failed) std::fprintf(stderr, "%s\n", failed->message().c_str());
    failed = std::move(done).error();
  }
  if (failed) return fail(*std::move(failed));
  return {};
}

}  // namespace kobuk::app::kubectl
