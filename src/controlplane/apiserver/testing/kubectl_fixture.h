// The server over TLS on loopback, with a PKI of its own, and the real kubectl against it.
#pragma once

#include <string>
#include <string_view>

#include "controlplane/apiserver/testing/api_fixture.h"

namespace kobuk::controlplane::apiserver::testing {

class KubectlTest : public ApiTest {
 protected:
  struct Output {
    int exit_code = 0;
    std::string text;  // stdout and stderr together
  };
  void SetUp() override;  // skips when there is no kubectl
  void TearDown() override;
  // Arguments as in a shell; `input` becomes the standard input.
  Output kubectl(std::string_view arguments, std::string_view input = {});

  std::string folder_;
  std::unique_ptr<io::http::Server> https_;

 private:
  void serve();
};

}  // namespace kobuk::controlplane::apiserver::testing
