#include "codec/x509.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "codec/pem.h"

namespace kobuk::codec {
namespace {

using std::chrono::hours;

const WallTime kNow{std::chrono::seconds{1'800'000'000}};

struct Pki {
  PrivateKey ca_key = *PrivateKey::generate();
  std::string ca = *self_signed_ca("kubernetes", ca_key, kNow, kNow + hours(24 * 3650));
  PrivateKey key = *PrivateKey::generate();
};

CertificateSpec spec() {
  return {.common_name = "system:node:alpha",
          .organizations = {"system:nodes", "second"},
          .dns_names = {"alpha", "kubernetes.default.svc"},
          .ip_addresses = {"10.96.0.1", "::1"},
          .server_auth = true,
          .client_auth = true,
          .not_before = kNow,
          .not_after = kNow + hours(24)};
}

TEST(Pem, RoundTripsAndSkipsWhatIsBetween) {
  std::string first(100, '\xab'), second("\0x", 2);
  std::string text = "subject: x\n" + encode_pem("CERTIFICATE", first) + "\nnote\r\n" + encode_pem("PRIVATE KEY", second);
  auto blocks = decode_pem(text);
  ASSERT_TRUE(blocks) << blocks.error().message();
  ASSERT_EQ(blocks->size(), 2u);
  EXPECT_EQ(blocks->at(0).label, "CERTIFICATE");
  EXPECT_EQ(blocks->at(0).der, first);
  EXPECT_EQ(decode_pem_block(text, "PRIVATE KEY").value_or(""), second);
  EXPECT_EQ(decode_pem_block(text, "NOTHING").error().message(), "no NOTHING block in the PEM text");
  EXPECT_EQ(decode_pem("no block at all")->size(), 0u);
}

TEST(Pem, HeaderLinesAndCrLfAreTaken) {
  auto blocks = decode_pem("-----BEGIN X-----\r\nProc-Type: 4\r\n\r\naGVs\r\nbG8=\r\n-----END X-----\r\n");
  ASSERT_TRUE(blocks) << blocks.error().message();
  EXPECT_EQ(blocks->at(0).der, "hello");
}

TEST(Pem, MalformedBlocksAreRefused) {
  EXPECT_EQ(decode_pem("-----BEGIN X-----\naGVs\n").error().message(), "PEM: the block \"X\" has no end line");
  EXPECT_EQ(decode_pem("-----BEGIN X-----\n-----END Y-----\n").error().message(), "PEM: the block \"X\" has a wrong end line");
  EXPECT_EQ(decode_pem("-----BEGIN X-----\n*\n-----END X-----\n").error().message(), "PEM: the block \"X\" is not valid base64");
  EXPECT_EQ(decode_pem(std::string(2 << 20, 'x')).error().code(), Code::kTooLarge);
}

TEST(X509, LeavesSayWhatTheirSpecSaid) {
  Pki pki;
  auto leaf = issue_certificate(spec(), pki.key, pki.ca, pki.ca_key);
  ASSERT_TRUE(leaf) << leaf.error().message();
  auto info = parse_certificate(*leaf);
  ASSERT_TRUE(info) << info.error().message();
  EXPECT_EQ(info->common_name, "system:node:alpha");
  EXPECT_EQ(info->organizations, (std::vector<std::string>{"system:nodes", "second"}));
  EXPECT_EQ(info->dns_names, (std::vector<std::string>{"alpha", "kubernetes.default.svc"}));
  EXPECT_EQ(info->ip_addresses, (std::vector<std::string>{"10.96.0.1", "::1"}));
  EXPECT_EQ(info->not_before, kNow);
  EXPECT_EQ(info->not_after, kNow + hours(24));
  EXPECT_FALSE(info->is_ca);
  EXPECT_EQ(info->sha256, Digest::of(*leaf));
}

TEST(X509, TheCaSignsAndOthersDoNot) {
  Pki pki, other;
  auto leaf = issue_certificate(spec(), pki.key, pki.ca, pki.ca_key);
  ASSERT_TRUE(leaf);
  EXPECT_TRUE(is_issued_by(*leaf, pki.ca));
  EXPECT_FALSE(is_issued_by(*leaf, other.ca));  // the same name, another key
  EXPECT_FALSE(is_issued_by(pki.ca, *leaf));
  EXPECT_TRUE(is_issued_by(pki.ca, pki.ca));
  EXPECT_FALSE(is_issued_by("", pki.ca));
  auto info = parse_certificate(pki.ca);
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->is_ca);
  EXPECT_EQ(info->common_name, "kubernetes");
  auto wrong = issue_certificate(spec(), pki.key, pki.ca, other.ca_key);
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().message(), "x509: the CA's key does not belong to its certificate");
}

TEST(X509, SerialNumbersDiffer) {
  Pki pki;
  EXPECT_NE(*issue_certificate(spec(), pki.key, pki.ca, pki.ca_key), *issue_certificate(spec(), pki.key, pki.ca, pki.ca_key));
}

TEST(X509, KeysRoundTripAndMatch) {
  Pki pki;
  auto leaf = issue_certificate(spec(), pki.key, pki.ca, pki.ca_key);
  ASSERT_TRUE(leaf);
  auto again = PrivateKey::from_pem(pki.key.to_pem());
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(again->to_pem(), pki.key.to_pem());
  EXPECT_EQ(again->public_pem(), pki.key.public_pem());
  EXPECT_TRUE(again->matches(*leaf));
  EXPECT_FALSE(pki.ca_key.matches(*leaf));
  EXPECT_FALSE(pki.ca_key.matches("nonsense"));
}

TEST(X509, BadKeysAreRefused) {
  EXPECT_EQ(PrivateKey::from_pem("").error().message(), "no PRIVATE KEY block in the PEM text");
  EXPECT_EQ(PrivateKey::from_pem(encode_pem("PRIVATE KEY", "junk")).error().code(), Code::kInvalid);
  EXPECT_EQ(PrivateKey::from_pem(encode_pem("ENCRYPTED PRIVATE KEY", "x")).error().code(), Code::kUnsupported);
}

TEST(X509, BadSpecsAreRefused) {
  Pki pki;
  auto error = [&](auto change) {
    CertificateSpec bad = spec();
    change(bad);
    auto leaf = issue_certificate(bad, pki.key, pki.ca, pki.ca_key);
    return leaf ? "no error" : leaf.error().message();
  };
  EXPECT_EQ(error([](auto& s) { s.ip_addresses = {"10.0.0"}; }), "x509: invalid IP address \"10.0.0\"");
  EXPECT_EQ(error([](auto& s) { s.dns_names = {"a b"}; }), "x509: invalid DNS name \"a b\"");
  EXPECT_EQ(error([](auto& s) { s.dns_names = {""}; }), "x509: invalid DNS name \"\"");
  EXPECT_EQ(error([](auto& s) { s.not_after = s.not_before; }), "x509: the certificate would end before it starts");
  EXPECT_EQ(error([](auto& s) { s.common_name = ""; }), "x509: invalid common name \"\"");
  EXPECT_TRUE(error([](auto& s) { s.common_name = std::string(600, 'x'); }).starts_with("x509: invalid common name"));
  EXPECT_TRUE(error([](auto& s) { s.common_name = "\xff"; }).starts_with("x509: invalid common name"));
  EXPECT_TRUE(error([](auto& s) { s.organizations = {""}; }).starts_with("x509: invalid organization"));
}

TEST(X509, LongNodeNamesFit) {
  Pki pki;
  CertificateSpec node = spec();
  node.common_name = "system:node:" + std::string(63, 'n');
  auto leaf = issue_certificate(node, pki.key, pki.ca, pki.ca_key);
  ASSERT_TRUE(leaf) << leaf.error().message();
  EXPECT_EQ(parse_certificate(*leaf)->common_name, node.common_name);
}

TEST(X509, MalformedCertificatesAreRefused) {
  Pki pki;
  EXPECT_FALSE(parse_certificate(""));
  EXPECT_FALSE(parse_certificate(pki.ca + "x"));
  for (size_t n = 0; n < pki.ca.size(); n += 7) EXPECT_FALSE(parse_certificate(std::string_view(pki.ca).substr(0, n))) << n;
  EXPECT_FALSE(parse_certificate(std::string(100000, '0')));
}

TEST(X509, OpensslVerifiesTheChain) {
  if (std::system("openssl version >/dev/null 2>&1") != 0) GTEST_SKIP() << "the openssl program is not installed";
  char path[] = "/tmp/kobuk_x509_test.XXXXXX";
  ASSERT_NE(mkdtemp(path), nullptr);
  std::string directory = path;
  Pki pki;
  auto leaf = issue_certificate(spec(), pki.key, pki.ca, pki.ca_key);
  ASSERT_TRUE(leaf);
  std::ofstream(directory + "/ca.pem") << encode_pem("CERTIFICATE", pki.ca);
  std::ofstream(directory + "/leaf.pem") << encode_pem("CERTIFICATE", *leaf);
  std::ofstream(directory + "/key.pem") << pki.key.to_pem();
  std::string verify = "cd " + directory + " && openssl verify -x509_strict -attime 1800000100 -CAfile ca.pem ";
  EXPECT_EQ(std::system((verify + "-purpose sslserver -verify_ip 10.96.0.1 leaf.pem >/dev/null").c_str()), 0);
  EXPECT_EQ(std::system((verify + "-purpose sslclient -verify_hostname alpha leaf.pem >/dev/null").c_str()), 0);
  EXPECT_NE(std::system((verify + "-verify_hostname beta leaf.pem >/dev/null 2>&1").c_str()), 0);
  EXPECT_EQ(std::system(("cd " + directory + " && openssl pkey -in key.pem -noout -check >/dev/null").c_str()), 0);
  EXPECT_EQ(std::system(("rm -r " + directory).c_str()), 0);
}

}  // namespace
}  // namespace kobuk::codec
