#include "app/store_command.h"

#include <sys/stat.h>

#include <cstdio>

#include "app/options.h"
#include "codec/json.h"
#include "store/store.h"

namespace kobuk::app {
namespace {

struct Wanted {
  std::string path, output;
  std::string action;
  std::string prefix;
};

Result<Wanted> parse(Options& options, Wanted& wanted, const std::vector<std::string>& arguments) {
  options.text("path", 'p', "FOLDER", "the folder of the store", &wanted.path);
  options.text("output", 'o', "FORMAT", "json for scripts (list, status)", &wanted.output);
  options.example("kobuk store status -p /var/lib/kobuk/default/store");
  options.example("kobuk store list -p /var/lib/kobuk/default/store /registry/pods/");
  options.example("kobuk store get -p /var/lib/kobuk/default/store /registry/pods/default/a");
  options.example("kobuk store compact -p /var/lib/kobuk/default/store");
  KOBUK_TRY(auto rest, options.parse(arguments));
  if (options.help_wanted()) return wanted;
  if (rest.empty()) return fail(Code::kInvalid, "say what to do: status, list [PREFIX], get KEY or compact");
  wanted.action = rest[0];
  bool takes_key = wanted.action == "list" || wanted.action == "get";
  if (rest.size() > (takes_key ? 2u : 1u)) return fail(Code::kInvalid, "unexpected argument ", go_quote(rest.back()));
  if (rest.size() == 2) wanted.prefix = rest[1];
  if (wanted.action == "get" && wanted.prefix.empty()) return fail(Code::kInvalid, "get needs the key");
  if (wanted.path.empty()) return fail(Code::kInvalid, "say where the store is: --path FOLDER");
  if (!wanted.output.empty() && wanted.output != "json") return fail(Code::kInvalid, "--output takes json, not ", go_quote(wanted.output));
  return wanted;
}

io::Task<Result<std::string>> status(store::Store& store, Wanted wanted) {
  KOBUK_CO_TRY(auto all, co_await store.range({.range = store::with_prefix(""), .count_only = true}));
  if (wanted.output == "json") co_return cat("{\"revision\":", store.revision(), ",\"keys\":", all.count, "}\n");
  co_return cat("revision  ", store.revision(), "\nkeys      ", all.count, "\n");
}

io::Task<Result<std::string>> list(store::Store& store, Wanted wanted) {
  KOBUK_CO_TRY(auto found, co_await store.range({.range = store::with_prefix(wanted.prefix), .keys_only = true}));
  std::string out;
  for (const store::KeyValue& kv : found.kvs) {
    if (wanted.output == "json") {
      out += "{\"key\":";
      codec::append_json_string(out, kv.key);
      cat_to(out, ",\"modRevision\":", kv.mod_revision, ",\"version\":", kv.version, "}\n");
    } else {
      cat_to(out, kv.key, '\n');
    }
  }
  co_return out;
}

io::Task<Result<std::string>> get(store::Store& store, Wanted wanted) {
  KOBUK_CO_TRY(auto found, co_await store.range({.range = store::one_key(wanted.prefix)}));
  if (found.kvs.empty()) co_return fail(Code::kNotFound, "key ", go_quote(wanted.prefix), " not found");
  co_return cat(*found.kvs[0].value, "\n");
}

io::Task<Result<std::string>> compact(store::Store& store, Wanted) {
  store::Revision newest = store.revision();
  auto done = co_await store.compact(newest);
  if (!done && done.error().code() == Code::kGone) co_return cat("already compacted at revision ", newest, "\n");
  if (!done) co_return fail(std::move(done).error());
  co_return cat("compacted at revision ", newest, "\n");
}

Result<std::string> act(const Wanted& wanted) {
  struct Action {
    std::string_view name;
    io::Task<Result<std::string>> (*run)(store::Store&, Wanted);
  };
  constexpr Action kActions[] = {{"status", status}, {"list", list}, {"get", get}, {"compact", compact}};
  for (const Action& action : kActions) {
    if (action.name != wanted.action) continue;
    // Opening would make an empty store where the path is mistyped.
    struct stat info;
    if (stat(cat(wanted.path, "/data.mdb").c_str(), &info) != 0) return fail(Code::kNotFound, "there is no store in ", wanted.path);
    io::Loop loop;
    KOBUK_TRY(auto store, store::open_embedded_store(loop, wanted.path));
    return loop.run_until_done(action.run(*store, wanted));
  }
  return fail(Code::kInvalid, "unknown action ", go_quote(wanted.action), ": status, list, get or compact");
}

}  // namespace

int run_store(const std::vector<std::string>& arguments) {
  Wanted wanted;
  Options options("kobuk store ACTION", "Look into and compact the embedded store; actions: status, list [PREFIX], get KEY, compact");
  auto parsed = parse(options, wanted, arguments);
  if (parsed && options.help_wanted()) {
    std::fputs(options.help().c_str(), stdout);
    return 0;
  }
  auto done = parsed ? act(*parsed) : Result<std::string>(fail(parsed.error()));
  if (!done) {
    std::fprintf(stderr, "kobuk store: %s\n", done.error().message().c_str());
    return done.error().code() == Code::kInvalid ? 2 : 1;
  }
  std::fwrite(done->data(), 1, done->size(), stdout);
  return 0;
}

}  // namespace kobuk::app
