// Cases of the grammar (distribution/reference) and Docker's normalisation, with Docker's texts.
#include "image/reference.h"

#include <gtest/gtest.h>

namespace kobuk::image {
namespace {

const std::string kHex = std::string(64, 'a');

struct Good {
  std::string text, domain, path, tag, digest, familiar;
};

TEST(Reference, ReadsWhatDockerReads) {
  std::string digest = "sha256:" + kHex;
  for (const Good& good : std::vector<Good>{
           {"nginx", "docker.io", "library/nginx", "latest", "", "nginx:latest"},
           {"nginx:1.27", "docker.io", "library/nginx", "1.27", "", "nginx:1.27"},
           {"bitnami/redis", "docker.io", "bitnami/redis", "latest", "", "bitnami/redis:latest"},
           {"docker.io/nginx", "docker.io", "library/nginx", "latest", "", "nginx:latest"},
           {"index.docker.io/library/nginx", "docker.io", "library/nginx", "latest", "", "nginx:latest"},
           {"docker.io/library/a/b", "docker.io", "library/a/b", "latest", "", "library/a/b:latest"},
           {"localhost/x", "localhost", "x", "latest", "", "localhost/x:latest"},
           {"localhost:5000/x:1", "localhost:5000", "x", "1", "", "localhost:5000/x:1"},
           {"ghcr.io/a/b/c", "ghcr.io", "a/b/c", "latest", "", "ghcr.io/a/b/c:latest"},
           {"[2001:db8::1]:5000/x", "[2001:db8::1]:5000", "x", "latest", "", "[2001:db8::1]:5000/x:latest"},
           {"[::1]/x", "[::1]", "x", "latest", "", "[::1]/x:latest"},
           {"127.0.0.1:5000/x@" + digest, "127.0.0.1:5000", "x", "", digest, "127.0.0.1:5000/x@" + digest},
           {"x:1@" + digest, "docker.io", "library/x", "1", digest, "x:1@" + digest},
           {"UPPER/x", "UPPER", "x", "latest", "", "UPPER/x:latest"},
           {"a__b--c.d_e", "docker.io", "library/a__b--c.d_e", "latest", "", "a__b--c.d_e:latest"},
           {"x:_UP.er-1", "docker.io", "library/x", "_UP.er-1", "", "x:_UP.er-1"},
           {"host:8080", "docker.io", "library/host", "8080", "", "host:8080"},
           {"x@sha512:" + kHex + kHex, "docker.io", "library/x", "", "sha512:" + kHex + kHex, "x@sha512:" + kHex + kHex},
           {std::string(63, 'a'), "docker.io", "library/" + std::string(63, 'a'), "latest", "", std::string(63, 'a') + ":latest"},
       }) {
    auto ref = parse_reference(good.text);
    ASSERT_TRUE(ref) << good.text << ": " << ref.error().message();
    EXPECT_EQ(ref->domain, good.domain) << good.text;
    EXPECT_EQ(ref->path, good.path) << good.text;
    EXPECT_EQ(ref->tag, good.tag) << good.text;
    EXPECT_EQ(ref->digest, good.digest) << good.text;
    EXPECT_EQ(familiar(*ref), good.familiar);
    EXPECT_EQ(*parse_reference(full(*ref)), *ref);
    EXPECT_EQ(*parse_reference(familiar(*ref)), *ref);
  }
}

TEST(Reference, RefusesInDockersWords) {
  const std::string format = "invalid reference format";
  for (auto [text, message] : std::vector<std::pair<std::string, std::string>>{
           {"", format},
           {"Nginx", "invalid reference format: repository name (library/Nginx) must be lowercase"},
           {"a/B:tag", "invalid reference format: repository name (a/B) must be lowercase"},
           {kHex, "invalid repository name (" + kHex + "), cannot specify 64-byte hexadecimal strings"},
           {"a b", format},
           {"a//b", format},
           {"/a", format},
           {"a/", format},
           {"-a", format},
           {"a-", format},
           {"a___b", format},
           {"a..b", format},
           {"a._b", format},
           {"x:", format},
           {"x:.y", format},
           {"x:" + std::string(129, 'a'), format},
           {"x@sha256", format},
           {"x@sha256:abc", format},
           {"x@sha256:" + std::string(32, 'a'), "invalid checksum digest length"},
           {"x@md5:" + std::string(32, 'a'), "unsupported digest algorithm"},
           {"x:y:z", format},
           {"host:/x", format},
           {"host:80x/x", format},
           {"-h.com/x", format},
           {"[::1/x", format},
           {"http://x/y", format},
           {"a\nb", format},
           {"h.com/" + std::string(256, 'a'), "repository name must not be more than 255 characters"},
       }) {
    auto ref = parse_reference(text);
    ASSERT_FALSE(ref) << text;
    EXPECT_EQ(ref.error().message(), message) << text;
  }
}

}  // namespace
}  // namespace kobuk::image
