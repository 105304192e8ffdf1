// What every Cri must do, however its caller reaches the engine. Real pods: needs root and busybox-static.
//
//   INSTANTIATE_TEST_SUITE_P(InProcess, CriContract, testing::Values(CriWay::kInProcess));
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/testing/world.h"
#include "io/http.h"

namespace kobuk::engine::testing {

enum class CriWay : uint8_t {
  kInProcess,
  kSocket,  // through client and server over a Unix socket
};

class CriContract : public ::testing::TestWithParam<CriWay> {
 protected:
  void SetUp() override;
  void TearDown() override;
  void open();   // the engine, and its socket
  void close();  // as when its process ends; containers go on
  Cri& cri() { return client ? *client : engine->cri(); }
  std::string socket() const { return cat("unix:", world->run(), "/cri.sock"); }

  template <class T>
  T get(io::Task<Result<T>> task) {
    auto result = loop.run_until_done(std::move(task));
    EXPECT_TRUE(result) << result.error().message();
    return result ? std::move(*result) : T();
  }
  template <class T>
  Code code(io::Task<Result<T>> task) {  // of its failure
    auto result = loop.run_until_done(std::move(task));
    EXPECT_FALSE(result);
    return result ? Code::kInternal : result.error().code();
  }
  void ok(io::Task<Result<void>> task);
  PodSandboxConfig pod(std::string name = "web");
  ContainerConfig container(std::string name, std::vector<std::string> command);
  std::string run(const std::string& sandbox, const PodSandboxConfig& config, ContainerConfig what);
  ContainerStatus wait_for(const std::string& id, ContainerPhase phase);  // by events
  std::string exec(const std::string& id, std::vector<std::string> command);

  io::Loop loop;
  std::unique_ptr<World> world;
  std::unique_ptr<Engine> engine;
  std::unique_ptr<io::http::Server> server;
  std::unique_ptr<Cri> client;  // null: in this process

 private:
  void import_image();
};

io::Task<std::string> read_all(io::Stream& from);

}  // namespace kobuk::engine::testing
