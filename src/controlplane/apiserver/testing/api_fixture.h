// An ApiServer over a memory store, and short words to speak to it, for tests.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/value.h"
#include "controlplane/apiserver/server.h"
#include "io/http.h"
#include "io/loop.h"
#include "store/store.h"

namespace kobuk::controlplane::apiserver::testing {

struct Reply {
  int status = 0;
  io::http::Headers headers;
  std::string body;
  codec::Arena arena;
  codec::Value json;  // null when the body is none
  std::string message() const { return std::string(json["message"].as_string()); }
};

class ApiTest : public ::testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  // One watch: "ADDED web", "BOOKMARK 12", "ERROR <message>", or "end".
  class WatchReader {
   public:
    WatchReader(io::Loop& loop, io::http::Response response) : loop_(&loop), response_(std::move(response)) {}
    std::string next();
    codec::Value last() const { return last_; }  // the event that next() told of

   private:
    io::Loop* loop_;
    io::http::Response response_;
    std::string buffer_;
    codec::Arena arena_;
    codec::Value last_;
  };

  Reply send(std::string method, std::string target, std::string_view body = {}, std::string_view content_type = "application/json",
             std::string_view accept = {});
  Reply get(std::string target, std::string_view accept = {}) { return send("GET", std::move(target), {}, {}, accept); }
  Reply post(std::string target, std::string_view body) { return send("POST", std::move(target), body); }
  Reply put(std::string target, std::string_view body) { return send("PUT", std::move(target), body); }
  Reply patch(std::string target, std::string_view type, std::string_view body) { return send("PATCH", std::move(target), body, type); }
  Reply remove(std::string target, std::string_view body = {}) { return send("DELETE", std::move(target), body); }
  WatchReader open_watch(std::string target, std::string_view accept = {});
  // Lets everything happen that is due now.
  void settle();

  static std::string pod(std::string_view name);         // labelled app=<name>
  static std::string deployment(std::string_view name);  // the same

  std::string user_ = "kubernetes-admin";
  std::vector<std::string> groups_ = {"system:masters"};
  std::vector<std::pair<std::string, std::string>> headers_;  // of every request, besides
  io::Loop loop_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<ApiServer> server_;
};

}  // namespace kobuk::controlplane::apiserver::testing
