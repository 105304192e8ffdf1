// Pulls and pushes against a registry that breaks, lies, asks for credentials and sends elsewhere; and kill -9 at every
// request of a pull. The registry is our own, behind a handler that spoils what it says. Unpacking needs root.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "codec/digest.h"
#include "image/images.h"
#include "image/registry_server.h"
#include "image/testing/sample.h"
#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::image {
namespace {

using namespace std::chrono_literals;
using io::http::Body;
using io::http::BodySource;
using io::http::Request;
using io::http::Response;

// Gives so many bytes of another body, then an error; or changes one byte.
class SpoiledBody final : public BodySource {
 public:
  SpoiledBody(Body body, uint64_t break_at, uint64_t flip_at) : body_(std::move(body)), break_at_(break_at), flip_at_(flip_at) {}
  io::Task<Result<std::string>> next() override {
    if (at_ >= break_at_) co_return fail(Code::kUnavailable, "spoiled");
    auto piece = co_await body_.next();
    if (!piece || piece->empty()) co_return piece;
    if (flip_at_ >= at_ && flip_at_ < at_ + piece->size()) (*piece)[flip_at_ - at_] ^= 1;
    if (at_ + piece->size() > break_at_) piece->resize(break_at_ - at_);
    at_ += piece->size();
    co_return piece;
  }

 private:
  Body body_;
  uint64_t break_at_, flip_at_, at_ = 0;
};

constexpr uint64_t kNever = UINT64_MAX;

struct Spoiler final : io::http::Handler {
  std::unique_ptr<RegistryServer> registry;
  int requests = 0;
  int fail_from = -1, fail_count = 0;  // these requests are answered with 500
  uint64_t break_downloads = kNever, break_uploads = kNever, flip = kNever;
  bool no_ranges = false;
  std::string basic, token, realm;     // demanded when not empty
  std::string redirect_blobs;          // "http://host:port"
  std::vector<std::string> log, authorizations;
  std::function<void(int)> on_request;

  static bool is_blob(const Request& request) { return request.method == "GET" && request.path().contains("/blobs/sha256:"); }
  static Response refuse(std::string challenge) {
    Response out = io::http::json_response(401, "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}");
    out.headers.set("WWW-Authenticate", challenge);
    return out;
  }
  std::optional<Response> authenticate(const Request& request) {
    std::string_view given = request.headers.get("Authorization");
    if (request.path() == "/token") {
      if (!basic.empty() && given != cat("Basic ", base64(basic))) {
        return io::http::json_response(401, "{\"details\":\"incorrect username or password\"}");
      }
      return io::http::json_response(200, cat("{\"token\":\"", token, "\"}"));
    }
    if (!token.empty() && given != cat("Bearer ", token)) return refuse(cat("Bearer realm=\"", realm, "/token\",service=\"test\",scope=\"repository:x:pull\""));
    if (token.empty() && !basic.empty() && given != cat("Basic ", base64(basic))) return refuse("Basic realm=\"test\"");
    return std::nullopt;
  }
  io::Task<Response> handle(Request request) override {
    int number = requests++;
    if (on_request) on_request(number);
    log.push_back(cat(request.method, ' ', request.target, ' ', request.headers.get("Range")));
    authorizations.emplace_back(request.headers.get("Authorization"));
    if (fail_from >= 0 && number >= fail_from && number < fail_from + fail_count) co_return io::http::text_response(500, "broken");
    if (auto answer = authenticate(request)) co_return std::move(*answer);
    bool blob = is_blob(request);
    if (blob && !redirect_blobs.empty()) {
      Response out;
      out.status = 307;
      out.headers.set("Location", cat(redirect_blobs, request.target, "?signature=1"));
      co_return out;
    }
    if (no_ranges) request.headers.erase("Range");
    if (request.method == "PATCH" && break_uploads != kNever) {
      request.body = Body(std::make_unique<SpoiledBody>(std::move(request.body), break_uploads, kNever));
    }
    Response out = co_await registry->handle(std::move(request));
    auto length = out.body.length();
    if (blob && length && (break_downloads != kNever || flip != kNever)) {
      out.body = Body(std::make_unique<SpoiledBody>(std::move(out.body), break_downloads, flip), *length);
    }
    co_return out;
  }
  int count(std::string_view part) const {
    return static_cast<int>(std::count_if(log.begin(), log.end(), [&](const std::string& line) { return line.contains(part); }));
  }
};

std::string noise(size_t size) {
  std::string out(size, '\0');
  uint64_t state = 1;
  for (char& c : out) c = static_cast<char>((state = state * 6364136223846793005u + 1442695040888963407u) >> 56);
  return out;
}

struct FaultsTest : testing::Test {
  Scratch scratch;
  io::Loop loop;
  Spoiler spoiler;
  std::unique_ptr<io::http::Server> server;
  std::unique_ptr<Images> images;
  std::string host;
  SampleImage sample;

  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "unpacking layers needs root";
    auto registry = RegistryServer::open(loop, scratch / "registry");
    ASSERT_TRUE(registry);
    spoiler.registry = *std::move(registry);
    server = std::make_unique<io::http::Server>(loop, spoiler);
    ASSERT_TRUE(server->listen("127.0.0.1:0", nullptr));
    host = cat("127.0.0.1:", server->port());
    open();
    // Two layers, made here and pushed by ourselves.
    ASSERT_TRUE(sys::write_file(scratch / "layout.tar", layout_tar()));
    ASSERT_TRUE(loop.run_until_done(images->load(scratch / "layout.tar")));
    ASSERT_TRUE(images->tag("test:1", name()));
    auto pushed = push();
    ASSERT_TRUE(pushed) << pushed.error().message();
    clear();
  }
  std::string layout_tar() {
    sample = write_layout(scratch / "layout", {make_tar({{file_entry("a"), noise(900'000)}}), make_tar({{file_entry("b"), noise(700'000)}})}, codec::Compression::kZstd, "{}", "test:1");
    run(cat("tar -C ", scratch / "layout", " -cf ", scratch / "layout.tar.made", " ."));
    return *sys::read_file(scratch / "layout.tar.made");
  }
  std::string name() const { return cat(host, "/x:1"); }
  void open(std::string certificates = "") {
    images = nullptr;
    auto opened = Images::open(loop, {.directory = scratch / "images", .certificates_directory = certificates, .retry_backoff = 1ms});
    ASSERT_TRUE(opened) << opened.error().message();
    images = *std::move(opened);
  }
  void clear() {
    for (const ImageInfo& image : images->list()) ASSERT_TRUE(loop.run_until_done(images->remove(image.id, true)));
    ASSERT_TRUE(nothing_left());
    spoiler.log.clear();
    spoiler.authorizations.clear();
    spoiler.requests = 0;
  }
  bool nothing_left() {
    return images->list().empty() && sys::list_directory(scratch / "images/blobs/sha256")->empty() && sys::list_directory(scratch / "images/layers")->empty() &&
           sys::list_directory(scratch / "images/ingest")->empty();
  }
  Result<ImageInfo> pull(std::optional<Credentials> credentials = {}) {
    return loop.run_until_done(images->pull({.reference = name(), .credentials = std::move(credentials)}));
  }
  Result<void> push(std::optional<Credentials> credentials = {}) {
    return loop.run_until_done(images->push({.reference = name(), .credentials = std::move(credentials)}));
  }
};

TEST_F(FaultsTest, BrokenDownloadsGoOnWhereTheyStopped) {
  spoiler.break_downloads = 200'000;
  auto image = pull();
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_GE(spoiler.count("bytes=200000-"), 2);
  EXPECT_GE(spoiler.count("bytes=600000-"), 2);
  clear();
  spoiler.break_downloads = kNever;
  spoiler.no_ranges = true;  // and from the start again when the registry knows no ranges, without the same bytes twice
  image = pull();
  ASSERT_TRUE(image) << image.error().message();
  clear();
  spoiler.break_downloads = 0;  // nothing ever comes
  EXPECT_EQ(pull().error().code(), Code::kUnavailable);
  EXPECT_TRUE(loop.run_until_done(images->remove("none", true)).error().code() == Code::kNotFound);
}

TEST_F(FaultsTest, WrongBytesAreRefusedAndLeaveNothing) {
  for (uint64_t at : {0ull, 5ull, 100'000ull, 699'000ull}) {
    spoiler.flip = at;
    auto image = pull();
    ASSERT_FALSE(image) << at;
    bool named = image.error().code() == Code::kDataLoss || image.error().code() == Code::kInvalid;
    EXPECT_TRUE(named) << image.error().message();
    EXPECT_TRUE(images->list().empty());
  }
  spoiler.flip = kNever;
  auto image = pull();
  ASSERT_TRUE(image) << image.error().message();
}

TEST_F(FaultsTest, EveryRequestMayFailOnce) {
  ASSERT_TRUE(pull());
  int all = spoiler.requests;
  ASSERT_GE(all, 4);
  for (int n = 0; n < all; ++n) {
    clear();
    spoiler.fail_from = n;
    spoiler.fail_count = 1;
    auto image = pull();
    EXPECT_TRUE(image) << n << ": " << image.error().message();
  }
  for (int n = 0; n < all; ++n) {
    clear();
    spoiler.fail_from = n;
    spoiler.fail_count = 1'000;
    auto image = pull();
    EXPECT_FALSE(image) << n;
    EXPECT_TRUE(images->list().empty());
    spoiler.fail_from = -1;
    image = pull();
    EXPECT_TRUE(image) << n << ": " << image.error().message();
  }
}

TEST_F(FaultsTest, EveryRequestOfAPushMayFailOnce) {
  ASSERT_TRUE(pull());
  for (int n = 0; n < 8; ++n) {
    ASSERT_TRUE(images->tag(name(), cat(host, "/push", n, ":1")));
    spoiler.requests = 0;
    spoiler.fail_from = n;
    spoiler.fail_count = 1;
    auto pushed = loop.run_until_done(images->push({.reference = cat(host, "/push", n, ":1")}));
    spoiler.fail_from = -1;
    if (!pushed) pushed = loop.run_until_done(images->push({.reference = cat(host, "/push", n, ":1")}));
    EXPECT_TRUE(pushed) << n << ": " << pushed.error().message();
  }
}

TEST_F(FaultsTest, BrokenUploadsGoOnWhereTheyStopped) {
  ASSERT_TRUE(pull());
  for (const std::string& layer : sample.layer_digests) {
    ASSERT_TRUE(loop.run_until_done(loop.offload("test", [&, layer] { return sys::exists(scratch / cat("registry/blobs/sha256/", layer.substr(7))); })));
  }
  spoiler.break_uploads = 300'000;
  ASSERT_TRUE(images->tag(name(), cat(host, "/y:1")));
  // The repository of the pull is on the same registry: mounts would spare the upload.
  auto id = images->find(name())->id;
  ASSERT_TRUE(loop.run_until_done(images->save({id}, scratch / "saved.tar")));
  clear();
  ASSERT_TRUE(loop.run_until_done(images->load(scratch / "saved.tar")));
  ASSERT_TRUE(images->tag(id, cat(host, "/y:1")));
  auto pushed = loop.run_until_done(images->push({.reference = cat(host, "/y:1")}));
  ASSERT_TRUE(pushed) << pushed.error().message();
  EXPECT_GE(spoiler.count("PATCH "), 4);
  EXPECT_GE(spoiler.count("GET /v2/y/blobs/uploads/"), 2);
  EXPECT_EQ(spoiler.count("POST "), 3);  // no upload was begun twice
}

TEST_F(FaultsTest, TokensAndPasswords) {
  spoiler.token = "t0k";
  spoiler.realm = cat("http://", host);
  ASSERT_TRUE(pull());
  EXPECT_EQ(spoiler.count("GET /token?service=test&scope=repository%3ax%3apull "), 1);
  clear();
  spoiler.basic = "user:secret";
  EXPECT_EQ(pull().error().code(), Code::kUnauthenticated);
  auto wrong = pull(Credentials{.username = "user", .password = "bad"});
  EXPECT_EQ(wrong.error().code(), Code::kUnauthenticated);
  EXPECT_TRUE(wrong.error().message().ends_with("unauthorized: incorrect username or password")) << wrong.error().message();
  Credentials right{.username = "user", .password = "secret"};
  EXPECT_TRUE(pull(right));
  EXPECT_EQ(spoiler.count("account=user"), 2);
  ASSERT_TRUE(push(right));
  EXPECT_GE(spoiler.count("scope=repository%3ax%3apull%2cpush"), 1);
  clear();
  spoiler.token.clear();
  EXPECT_TRUE(pull().error().message().ends_with("no basic auth credentials"));
  EXPECT_TRUE(pull(right));
  clear();
  wrong = pull(Credentials{.username = "user", .password = "bad"});
  EXPECT_EQ(wrong.error().code(), Code::kUnauthenticated) << wrong.error().message();
}

TEST_F(FaultsTest, RedirectsGetNoCredentials) {
  Spoiler other;
  io::http::Server elsewhere(loop, other);
  ASSERT_TRUE(elsewhere.listen("127.0.0.1:0", nullptr));
  other.registry = std::move(spoiler.registry);
  struct Forward final : io::http::Handler {
    io::http::Handler* to = nullptr;
    io::Task<Response> handle(Request request) override {
      auto out = co_await to->handle(std::move(request));
      co_return out;
    }
  };
  // The first registry hands everything but blobs to the second's.
  struct Front final : io::http::Handler {
    Spoiler& spoiler;
    Spoiler& other;
    Front(Spoiler& s, Spoiler& o) : spoiler(s), other(o) {}
    io::Task<Response> handle(Request request) override {
      if (auto answer = spoiler.authenticate(request)) co_return std::move(*answer);
      if (Spoiler::is_blob(request)) {
        Response out;
        out.status = 307;
        out.headers.set("Location", cat(spoiler.redirect_blobs, request.target, "?signature=1"));
        co_return out;
      }
      auto out = co_await other.registry->handle(std::move(request));
      co_return out;
    }
  } front(spoiler, other);
  io::http::Server first(loop, front);
  ASSERT_TRUE(first.listen("127.0.0.1:0", nullptr));
  spoiler.basic = "user:secret";
  spoiler.redirect_blobs = cat("http://127.0.0.1:", elsewhere.port());
  auto image = loop.run_until_done(images->pull({.reference = cat("127.0.0.1:", first.port(), "/x:1"), .credentials = Credentials{.username = "user", .password = "secret"}}));
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_GE(other.count("signature=1"), 3);
  for (const std::string& authorization : other.authorizations) EXPECT_EQ(authorization, "");
}

io::Task<void> pull_into(Images* images, std::string reference, std::optional<Result<ImageInfo>>* to, int* left, io::Loop* loop) {
  auto image = co_await images->pull({.reference = reference});
  to->emplace(std::move(image));
  if (--*left == 0) loop->stop();
}

TEST_F(FaultsTest, PullsOfTheSameShareTheDownload) {
  std::optional<Result<ImageInfo>> results[4];
  int left = 4;
  io::TaskGroup group(loop);
  for (auto& result : results) group.spawn(pull_into(images.get(), name(), &result, &left, &loop));
  loop.run();
  for (auto& result : results) ASSERT_TRUE(result && *result) << (*result).error().message();
  for (const std::string& layer : sample.layer_digests) EXPECT_EQ(spoiler.count(cat("GET /v2/x/blobs/", layer)), 1);
}

TEST_F(FaultsTest, AGivenUpPullLeavesNothing) {
  for (int n = 0; n < 4; ++n) {
    auto group = std::make_unique<io::TaskGroup>(loop);
    std::optional<Result<ImageInfo>> result;
    int left = 1;
    spoiler.on_request = [&, n](int number) {
      if (number == n) loop.post([&] { loop.stop(); });
    };
    group->spawn(pull_into(images.get(), name(), &result, &left, &loop));
    loop.run();
    group = nullptr;
    spoiler.on_request = nullptr;
    ASSERT_FALSE(result) << n;
    ASSERT_TRUE(pull()) << n;  // the next one is as any
    clear();
  }
}

TEST_F(FaultsTest, PrivateCertificates) {
  std::string made = run(cat("cd ", scratch.path(), " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout key.pem -out cert.pem "
                             "-subj /CN=test -addext subjectAltName=IP:127.0.0.1 && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -keyout "
                             "other.key -out other.pem -subj /CN=other"));
  auto certificate = sys::read_file(scratch / "cert.pem"), key = sys::read_file(scratch / "key.pem");
  if (!certificate || !key) GTEST_SKIP() << "openssl is not installed: " << made;
  auto tls = io::make_tls_server_context({.certificate_chain_pem = *certificate, .private_key_pem = *key});
  ASSERT_TRUE(tls) << tls.error().message();
  io::http::Server secure(loop, spoiler);
  ASSERT_TRUE(secure.listen("127.0.0.1:0", *tls));
  host = cat("127.0.0.1:", secure.port());
  std::string folder = cat(scratch / "certs", '/', host);
  ASSERT_TRUE(sys::make_directories(folder));
  ASSERT_TRUE(sys::write_file(cat(folder, "/ca.crt"), *sys::read_file(scratch / "other.pem")));
  open(scratch / "certs");
  EXPECT_EQ(pull().error().code(), Code::kUnavailable);
  ASSERT_TRUE(sys::write_file(cat(folder, "/ca.crt"), *certificate));
  open(scratch / "certs");
  auto image = pull();
  ASSERT_TRUE(image) << image.error().message();
}

// What the child of the next test does: one pull into a folder. Alone it is nothing.
TEST(PullChild, Pull) {
  const char* directory = getenv("KOBUK_TEST_PULL_DIRECTORY");
  const char* reference = getenv("KOBUK_TEST_PULL_REFERENCE");
  if (directory == nullptr || reference == nullptr) GTEST_SKIP() << "run by FaultsTest.KilledAtAnyMoment";
  io::Loop loop;
  auto images = Images::open(loop, {.directory = directory, .retry_backoff = 1ms});
  ASSERT_TRUE(images) << images.error().message();
  auto image = loop.run_until_done((*images)->pull({.reference = reference}));
  ASSERT_TRUE(image) << image.error().message();
}

TEST_F(FaultsTest, KilledAtAnyMoment) {
  images = nullptr;
  spoiler.break_downloads = 250'000;  // more requests, more moments
  bool ended = false;
  for (int n = 0; !ended && n < 40; ++n) {
    spoiler.requests = 0;
    sys::SpawnOptions options{.path = "/proc/self/exe",
                              .args = {"image_test", "--gtest_filter=PullChild.Pull"},
                              .env = {cat("KOBUK_TEST_PULL_DIRECTORY=", scratch / "killed"), cat("KOBUK_TEST_PULL_REFERENCE=", name())}};
    auto child = sys::spawn(options);
    ASSERT_TRUE(child) << child.error().message();
    spoiler.on_request = [&](int number) {
      if (number == n) [[maybe_unused]] auto sent = sys::send_signal(child->pidfd.get(), SIGKILL);
    };
    auto wait = [&child] { return sys::wait_for(*child); };
    auto status = loop.run_until_done(loop.offload("test", wait));
    ASSERT_TRUE(status);
    ended = sys::exit_code_of(*status) == 0;
    auto opened = Images::open(loop, {.directory = scratch / "killed"});
    ASSERT_TRUE(opened) << opened.error().message();
    EXPECT_EQ((*opened)->list().size(), ended ? 1u : 0u) << n;
    EXPECT_TRUE(sys::list_directory(scratch / "killed/ingest")->empty()) << n;
    if (!ended) EXPECT_TRUE(sys::list_directory(scratch / "killed/blobs/sha256")->empty()) << n;
    for (const ImageInfo& image : (*opened)->list()) {
      auto layers = loop.run_until_done((*opened)->layers(image.id));
      ASSERT_TRUE(layers);
      EXPECT_EQ(*sys::read_file(layers->at(0) + "/b"), noise(700'000));
      EXPECT_EQ(*sys::read_file(layers->at(1) + "/a"), noise(900'000));
    }
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace kobuk::image
