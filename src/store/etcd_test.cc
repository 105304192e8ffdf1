// Against real etcd programs, which the tests start on loopback and kill.
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "store/testing/contract.h"

namespace kobuk::store {
namespace {

using namespace std::chrono_literals;

constexpr const char* kEtcd = "/usr/bin/etcd";
bool have_etcd() { return access(kEtcd, X_OK) == 0; }

uint16_t free_port() {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof any;
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&any), length), 0);
  getsockname(fd, reinterpret_cast<sockaddr*>(&any), &length);
  close(fd);
  return ntohs(any.sin_port);
}

// One member. kill() is kill -9; start() again finds its data.
class Member {
 public:
  Member(std::string name, std::string folder) : name_(std::move(name)), folder_(std::move(folder)), client_(free_port()), peer_(free_port()) {}
  Member(const Member&) = delete;
  ~Member() { kill(); }
  std::string address() const { return cat("127.0.0.1:", client_); }
  std::string peer() const { return cat(name_, "=http://127.0.0.1:", peer_); }
  void start(std::string cluster, std::vector<std::string> more = {}) {
    bool tls = !more.empty();
    std::string client = cat(tls ? "https" : "http", "://127.0.0.1:", client_), peer = cat("http://127.0.0.1:", peer_);
    std::vector<std::string> arguments = {kEtcd, "--name", name_, "--data-dir", cat(folder_, "/", name_), "--listen-client-urls", client, "--advertise-client-urls", client,
                                          "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", cluster,
                                          "--heartbeat-interval", "20", "--election-timeout", "200", "--logger", "zap", "--log-outputs", cat(folder_, "/", name_, ".log")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    pid_ = fork();
    if (pid_ != 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    execv(kEtcd, argv.data());
    _exit(127);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  std::string name_, folder_;
  uint16_t client_, peer_;
  pid_t pid_ = 0;
};

// Of the contract's test that is running; the next one, or the end of the program, kills it.
std::unique_ptr<Member> contract_member;

Result<std::unique_ptr<Store>> make_contract_store(io::Loop& loop, std::string folder) {
  contract_member = std::make_unique<Member>("m", folder);
  contract_member->start(contract_member->peer());
  return make_etcd_store(loop, {.endpoints = {contract_member->address()}, .prefix = "/kobuk/"});
}

std::vector<StoreFactory> factories() {
  if (!have_etcd()) return {};
  return {{"etcd", make_contract_store}};
}
INSTANTIATE_TEST_SUITE_P(Etcd, StoreContract, testing::ValuesIn(factories()), [](const testing::TestParamInfo<StoreFactory>& info) { return info.param.name; });
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(StoreContract);

struct EtcdTest : testing::Test {
  std::string folder;
  std::vector<std::unique_ptr<Member>> members;
  std::string cluster;
  io::Loop loop;
  void SetUp() override {
    if (!have_etcd()) GTEST_SKIP() << "etcd is not installed";
    char name[] = "/tmp/etcd_test.XXXXXX";
    folder = mkdtemp(name);
  }
  void TearDown() override {
    members.clear();
    if (!folder.empty()) std::filesystem::remove_all(folder);
  }
  std::unique_ptr<Store> start(int count, std::vector<std::string> more = {}, std::shared_ptr<io::TlsContext> tls = nullptr) {
    EtcdOptions options{.tls = std::move(tls), .prefix = "/t/", .timeout = 20s};
    for (int i = 0; i < count; ++i) members.push_back(std::make_unique<Member>(cat("m", i), folder));
    for (auto& member : members) {
      cat_to(cluster, cluster.empty() ? "" : ",", member->peer());
      options.endpoints.push_back(member->address());
    }
    for (auto& member : members) member->start(cluster, more);
    auto store = make_etcd_store(loop, options);
    EXPECT_TRUE(store);
    return std::move(*store);
  }
  Result<TxnResult> put_now(Store& store, std::string key, std::string value) {
    return loop.run_until_done(store.txn({.then = {put(std::move(key), share(std::move(value)))}}));
  }
};

// Creates n/0, n/1, …: one that may have been created already counts as created.
io::Task<void> write_all(Store& store, int count, int& written) {
  while (written < count) {
    TxnRequest request = create_if_absent(cat("n/", written), share(cat(written)));
    auto done = co_await store.txn(std::move(request));
    if (done) ++written;
  }
}
io::Task<void> watch_all(Watch& watch, int count, std::vector<std::string>& seen) {
  while (static_cast<int>(seen.size()) < count) {
    auto batch = co_await watch.next();
    EXPECT_TRUE(batch) << batch.error().message();
    if (!batch) co_return;
    for (const Event& event : batch->events) seen.push_back(*event.kv.value);
  }
}
template <class Disturb>
io::Task<void> disturb_at(io::Loop& loop, int& written, int at, Disturb disturb) {
  while (written < at) co_await loop.sleep(1ms);
  disturb();
}
io::Task<void> join(io::TaskGroup& group) { co_await group.join(); }

void expect_each_once_in_order(const std::vector<std::string>& seen, int count) {
  ASSERT_EQ(static_cast<int>(seen.size()), count);
  for (int i = 0; i < count; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], cat(i));
}

TEST_F(EtcdTest, AMemberThatIsKilledAndComesBackLosesNothing) {
  auto store = start(1);
  auto watch = loop.run_until_done(store->watch({.range = with_prefix("n/")}));
  ASSERT_TRUE(watch) << watch.error().message();
  int written = 0;
  std::vector<std::string> seen;
  auto restart = [&] {
    members[0]->kill();
    members[0]->start(cluster);
  };
  io::TaskGroup group(loop);
  group.spawn(write_all(*store, 200, written));
  group.spawn(watch_all(**watch, 200, seen));
  group.spawn(disturb_at(loop, written, 100, restart));
  loop.run_until_done(join(group));
  expect_each_once_in_order(seen, 200);
}

TEST_F(EtcdTest, AClusterGoesOnWithoutOneOfItsMembers) {
  auto store = start(3);
  auto watch = loop.run_until_done(store->watch({.range = with_prefix("n/"), .previous = true}));
  ASSERT_TRUE(watch) << watch.error().message();
  int written = 0;
  std::vector<std::string> seen;
  auto kill_first = [&] { members[0]->kill(); };  // the one in use
  io::TaskGroup group(loop);
  group.spawn(write_all(*store, 60, written));
  group.spawn(watch_all(**watch, 60, seen));
  group.spawn(disturb_at(loop, written, 30, kill_first));
  loop.run_until_done(join(group));
  expect_each_once_in_order(seen, 60);
}

TEST_F(EtcdTest, AWatchOfWhatWasCompactedIsGone) {
  auto store = start(1);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(put_now(*store, "a", cat(i)));
  ASSERT_TRUE(loop.run_until_done(store->compact(store->revision())));
  auto watch = loop.run_until_done(store->watch({.range = one_key("a"), .start = 2}));
  Code code = Code::kInternal;
  if (watch) {
    auto batch = loop.run_until_done((*watch)->next());
    if (!batch) code = batch.error().code();
  } else {
    code = watch.error().code();
  }
  EXPECT_EQ(code, Code::kGone);
}

TEST_F(EtcdTest, HistoryOfManyMegabytesComesWhole) {
  auto store = start(1);
  std::string value(100'000, 'x');
  Revision first = 0;
  for (int i = 0; i < 60; ++i) {
    auto done = put_now(*store, cat("big/", i), value);
    ASSERT_TRUE(done) << done.error().message();
    if (i == 0) first = done->revision;
  }
  auto watch = loop.run_until_done(store->watch({.range = with_prefix("big/"), .start = first}));
  ASSERT_TRUE(watch);
  size_t events = 0;
  while (events < 60) {
    auto batch = loop.run_until_done((*watch)->next());
    ASSERT_TRUE(batch) << batch.error().message();
    events += batch->events.size();
  }
  auto all = loop.run_until_done(store->range({.range = with_prefix("big/")}));
  ASSERT_TRUE(all);
  EXPECT_EQ(all->kvs.size(), 60u);
  for (size_t size : {1'700'000, 4'000'000}) {
    auto refused = put_now(*store, "huge", std::string(size, 'x'));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), Code::kTooLarge) << refused.error().message();
  }
}

TEST_F(EtcdTest, StoresOfDifferentPrefixesDoNotMeet) {
  auto store = start(1);
  auto other = make_etcd_store(loop, {.endpoints = {members[0]->address()}, .prefix = "/u/"});
  auto whole = make_etcd_store(loop, {.endpoints = {members[0]->address()}});
  ASSERT_TRUE(put_now(*store, "a", "mine"));
  ASSERT_TRUE(put_now(**other, "a", "theirs"));
  auto found = loop.run_until_done(store->range({.range = with_prefix("")}));
  ASSERT_EQ(found->kvs.size(), 1u);
  EXPECT_EQ(*found->kvs[0].value, "mine");
  auto all = loop.run_until_done((*whole)->range({.range = with_prefix("")}));
  ASSERT_EQ(all->kvs.size(), 2u);
  EXPECT_EQ(all->kvs[1].key, "/u/a");
}

TEST_F(EtcdTest, NobodyThereIsUnavailable) {
  auto store = make_etcd_store(loop, {.endpoints = {"127.0.0.1:1"}, .timeout = 100ms});
  auto done = loop.run_until_done((*store)->range({.range = one_key("a")}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kUnavailable) << done.error().message();
  EXPECT_EQ(make_etcd_store(loop, {}).error().code(), Code::kInvalid);
}

// Takes connections and never says a word, as a member that is stopped.
class Mute {
 public:
  Mute() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_in any{};
    any.sin_family = AF_INET;
    any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof any;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&any), length), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    getsockname(fd_, reinterpret_cast<sockaddr*>(&any), &length);
    port_ = ntohs(any.sin_port);
  }
  Mute(const Mute&) = delete;
  ~Mute() { close(fd_); }
  std::string address() const { return cat("127.0.0.1:", port_); }
  bool was_asked() const {
    int peer = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (peer >= 0) close(peer);
    return peer >= 0;
  }

 private:
  int fd_;
  uint16_t port_ = 0;
};

TEST(EtcdFaults, AMuteMemberDoesNotUseUpTheTime) {
  io::Loop loop;
  Mute first, second;
  auto store = make_etcd_store(loop, {.endpoints = {first.address(), second.address()}, .timeout = 400ms});
  ASSERT_TRUE(store);
  auto read = loop.run_until_done((*store)->range({.range = one_key("a")}));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code(), Code::kUnavailable) << read.error().message();
  EXPECT_TRUE(first.was_asked());
  EXPECT_TRUE(second.was_asked());
}

TEST(EtcdFaults, AChangeOfUnknownOutcomeIsUnavailableAndNotRepeated) {
  io::Loop loop;
  Mute first, second;
  auto store = make_etcd_store(loop, {.endpoints = {first.address(), second.address()}, .timeout = 300ms});
  ASSERT_TRUE(store);
  auto done = loop.run_until_done((*store)->txn({.then = {put("a", share("b"))}}));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), Code::kUnavailable) << done.error().message();
  EXPECT_TRUE(first.was_asked());
  EXPECT_FALSE(second.was_asked());
}

TEST_F(EtcdTest, SpeaksTls) {
  if (access("/usr/bin/openssl", X_OK) != 0) GTEST_SKIP() << "the openssl program is not installed";
  std::string make = cat("cd ", folder, " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out cert -days 2",
                         " -subj /CN=etcd -addext subjectAltName=IP:127.0.0.1 >log 2>&1");
  ASSERT_EQ(std::system(make.c_str()), 0);
  std::ifstream in(folder + "/cert");
  std::string certificate(std::istreambuf_iterator<char>(in), {});
  auto tls = io::make_tls_client_context({.ca_pem = certificate});
  ASSERT_TRUE(tls);
  auto store = start(1, {"--cert-file", folder + "/cert", "--key-file", folder + "/key"}, *tls);
  auto done = put_now(*store, "a", "1");
  ASSERT_TRUE(done) << done.error().message();
}

}  // namespace
}  // namespace kobuk::store
