// Keys and certificates of the cluster's own PKI.
//
//   KOBUK_TRY(PrivateKey ca_key, PrivateKey::generate());
//   KOBUK_TRY(std::string ca, self_signed_ca("kubernetes", ca_key, now, now + days(3650)));
//   KOBUK_TRY(PrivateKey key, PrivateKey::generate());
//   KOBUK_TRY(std::string leaf, issue_certificate({.common_name = "kubernetes-admin",
//       .organizations = {"system:masters"}, .client_auth = true, .not_before = …, .not_after = …}, key, ca, ca_key));
//   write_file("admin.crt", encode_pem("CERTIFICATE", leaf));
//
// Certificates travel as DER bytes in strings. Values; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "codec/digest.h"

namespace kobuk::codec {

class PrivateKey {
 public:
  static Result<PrivateKey> generate();                       // EC P-256
  static Result<PrivateKey> from_pem(std::string_view text);  // PKCS#8, SEC 1 or PKCS#1; not encrypted
  std::string to_pem() const;                                 // PKCS#8: "PRIVATE KEY"
  std::string public_pem() const;                             // "PUBLIC KEY"
  // Is this the key that the certificate speaks of? False for bytes that are no certificate.
  bool matches(std::string_view certificate_der) const;

 private:
  friend struct X509Builder;
  explicit PrivateKey(std::shared_ptr<void> key) : key_(std::move(key)) {}
  std::shared_ptr<void> key_;  // EVP_PKEY, never changed
};

struct CertificateSpec {
  std::string common_name;
  std::vector<std::string> organizations;  // Kubernetes reads them as groups
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;   // "10.96.0.1", "::1"
  bool server_auth = false;
  bool client_auth = false;
  WallTime not_before{};
  WallTime not_after{};
};

// DER. Errors: kInvalid for names and addresses that no certificate can hold.
Result<std::string> self_signed_ca(std::string_view common_name, const PrivateKey& key, WallTime not_before, WallTime not_after);
Result<std::string> issue_certificate(const CertificateSpec& spec, const PrivateKey& subject_key, std::string_view ca_der,
                                      const PrivateKey& ca_key);

struct CertificateInfo {
  std::string common_name;  // the last one, as Go reads it; may hold any bytes but is valid UTF-8
  std::vector<std::string> organizations;
  std::vector<std::string> dns_names;
  std::vector<std::string> ip_addresses;
  WallTime not_before{};
  WallTime not_after{};
  bool is_ca = false;
  Digest sha256;  // of the DER
};

// kInvalid unless `der` is one certificate and nothing else. Says nothing about who signed it.
Result<CertificateInfo> parse_certificate(std::string_view der);
// Does the CA's key verify the certificate's signature, and do the names fit?
bool is_issued_by(std::string_view certificate_der, std::string_view ca_der);

}  // namespace kobuk::codec
