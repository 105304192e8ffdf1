#include "app/pki.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>

#include "codec/pem.h"
#include "codec/x509.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

using std::chrono::hours;

class PkiTest : public ::testing::Test {
 protected:
  PkiTest() { profile_.root = cat(::testing::TempDir(), "/pki-", getpid()); profile_.node_name = "n1"; }
  ~PkiTest() override { (void)sys::remove_tree(profile_.root); }
  static codec::CertificateInfo info(const KeyPair& pair) {
    return codec::parse_certificate(codec::decode_pem_block(pair.certificate, "CERTIFICATE").value()).value();
  }
  Profile profile_;
  WallTime now_ = parse_rfc3339("2026-01-02T03:04:05Z").value();
};

TEST_F(PkiTest, IdentitiesAreThoseThatKubernetesKnows) {
  auto pki = ensure_pki(profile_, now_);
  ASSERT_TRUE(pki) << pki.error().message();
  EXPECT_EQ(info(pki->admin).organizations, std::vector<std::string>{"system:masters"});
  EXPECT_EQ(info(pki->scheduler).common_name, "system:kube-scheduler");
  EXPECT_EQ(info(pki->node).common_name, "system:node:n1");
  auto serving = info(pki->apiserver);
  EXPECT_NE(std::find(serving.ip_addresses.begin(), serving.ip_addresses.end(), "10.65.0.1"), serving.ip_addresses.end());
}

TEST_F(PkiTest, KeptWhileValidAndRenewedInTime) {
  auto first = ensure_pki(profile_, now_);
  ASSERT_TRUE(first);
  auto again = ensure_pki(profile_, now_ + hours(24 * 300));
  ASSERT_TRUE(again);
  EXPECT_EQ(first->admin.certificate, again->admin.certificate);
  auto late = ensure_pki(profile_, now_ + hours(24 * 340));
  ASSERT_TRUE(late);
  EXPECT_NE(first->admin.certificate, late->admin.certificate);
  EXPECT_EQ(first->ca, late->ca);
}

TEST_F(PkiTest, AnotherNodeNameIsIssuedAnew) {
  auto first = ensure_pki(profile_, now_);
  profile_.node_name = "n2";
  auto second = ensure_pki(profile_, now_);
  ASSERT_TRUE(first && second);
  EXPECT_EQ(info(second->node).common_name, "system:node:n2");
  EXPECT_EQ(first->admin.certificate, second->admin.certificate);
}

TEST_F(PkiTest, ForeignAuthorityKeyIsNoticed) {
  ASSERT_TRUE(ensure_pki(profile_, now_));
  ASSERT_TRUE(sys::write_file(cat(profile_.pki_directory(), "/ca.key"), codec::PrivateKey::generate()->to_pem()));
  auto broken = ensure_pki(profile_, now_);
  ASSERT_FALSE(broken);
  EXPECT_EQ(broken.error().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace kobuk::app
