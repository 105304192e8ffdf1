// X.509 certificates, RFC 5280, and PKCS#8 keys, RFC 5958, by OpenSSL.
#include "codec/x509.h"

#include <arpa/inet.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "base/random.h"
#include "codec/pem.h"
#include "codec/utf8.h"

namespace kobuk::codec {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};
using X509Ptr = std::unique_ptr<X509, Freed<X509_free>>;
using NamePtr = std::unique_ptr<X509_NAME, Freed<X509_NAME_free>>;
using GeneralNamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

constexpr size_t kLargestCertificate = 64u << 10;
constexpr size_t kLongestName = 512;

std::unexpected<Error> openssl_error(Code code, std::string_view what) {
  unsigned long last = ERR_peek_last_error();
  const char* reason = last ? ERR_reason_error_string(last) : nullptr;
  std::string message = cat(what, ": ", std::string_view(reason ? reason : "failed"));
  ERR_clear_error();
  return fail(code, message);
}

// Encodes with one of OpenSSL's i2d functions.
template <class T>
std::string to_der(int (*encode)(const T*, unsigned char**), const T* object) {
  unsigned char* out = nullptr;
  int size = encode(object, &out);
  if (size <= 0) return {};
  std::string der(reinterpret_cast<char*>(out), static_cast<size_t>(size));
  OPENSSL_free(out);
  return der;
}

X509Ptr from_der(std::string_view der) {
  if (der.size() > kLargestCertificate) return nullptr;
  auto* at = reinterpret_cast<const unsigned char*>(der.data());
  auto* end = at + der.size();
  X509Ptr out(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ERR_clear_error();
  return at == end ? std::move(out) : nullptr;
}

Result<X509Ptr> certificate(std::string_view der) {
  X509Ptr out = from_der(der);
  if (!out) return fail(Code::kInvalid, "x509: malformed certificate");
  return out;
}

// As UTF8String, past RFC 5280's bound of 64 characters: Go's clients and servers know no such bound, and
// "system:node:" before a host name of 63 would break it.
bool add_name_part(X509_NAME* name, int nid, std::string_view text) {
  if (text.empty() || text.size() > kLongestName || !is_utf8(text)) return false;
  return X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING, reinterpret_cast<const unsigned char*>(text.data()),
                                    static_cast<int>(text.size()), -1, 0) == 1;
}

bool set_time(ASN1_TIME* field, WallTime time) {
  auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  return ASN1_TIME_set(field, static_cast<time_t>(seconds)) != nullptr;
}

Result<WallTime> time_of(const ASN1_TIME* field) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(field, &parts) != 1) return fail(Code::kInvalid, "x509: malformed time");
  int64_t seconds = timegm(&parts);
  // sys_time counts nanoseconds in 64 bits: the year 9999 of certificates without an end is past it.
  constexpr int64_t kLast = INT64_MAX / 1'000'000'000, kFirst = INT64_MIN / 1'000'000'000;
  return WallTime(std::chrono::seconds(std::clamp(seconds, kFirst, kLast)));
}

bool set_random_serial(X509* target) {
  std::string bytes = random_bytes(16);
  bytes[0] = static_cast<char>((bytes[0] & 0x7f) | 0x40);  // positive, and of one length
  BIGNUM* number = BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr);
  bool ok = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(target));
  BN_free(number);
  return ok;
}

bool add_extension(X509* target, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, target, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  bool ok = extension && X509_add_ext(target, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return ok;
}

// Built from parts, not from configuration text: a name cannot smuggle in another.
Result<void> add_alternative_names(X509* target, const CertificateSpec& spec) {
  GeneralNamesPtr names(sk_GENERAL_NAME_new_null());
  auto add = [&](int type, ASN1_STRING* text) {
    GENERAL_NAME* name = text ? GENERAL_NAME_new() : nullptr;
    if (!name) return false;
    GENERAL_NAME_set0_value(name, type, text);
    return sk_GENERAL_NAME_push(names.get(), name) > 0;
  };
  for (const std::string& dns : spec.dns_names) {
    bool ascii = !dns.empty() && dns.size() <= 253;
    for (char c : dns) ascii = ascii && c > ' ' && c < 0x7f;
    if (!ascii) return fail(Code::kInvalid, "x509: invalid DNS name ", go_quote(dns));
    ASN1_IA5STRING* text = ASN1_IA5STRING_new();
    if (text) ASN1_STRING_set(text, dns.data(), static_cast<int>(dns.size()));
    if (!add(GEN_DNS, text)) return openssl_error(Code::kInternal, "x509: add a DNS name");
  }
  for (const std::string& address : spec.ip_addresses) {
    ASN1_OCTET_STRING* bytes = address.contains('\0') ? nullptr : a2i_IPADDRESS(address.c_str());
    if (!bytes) return fail(Code::kInvalid, "x509: invalid IP address ", go_quote(address));
    if (!add(GEN_IPADD, bytes)) return openssl_error(Code::kInternal, "x509: add an address");
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) return {};
  if (X509_add1_ext_i2d(target, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) != 1) {
    return openssl_error(Code::kInternal, "x509: add the alternative names");
  }
  return {};
}

Result<NamePtr> make_subject(const CertificateSpec& spec) {
  NamePtr name(X509_NAME_new());
  for (const std::string& organization : spec.organizations) {
    if (!add_name_part(name.get(), NID_organizationName, organization)) {
      return fail(Code::kInvalid, "x509: invalid organization ", go_quote(organization));
    }
  }
  if (!add_name_part(name.get(), NID_commonName, spec.common_name)) {
    return fail(Code::kInvalid, "x509: invalid common name ", go_quote(spec.common_name));
  }
  return name;
}

std::string utf8_of(const ASN1_STRING* text) {
  unsigned char* out = nullptr;
  int size = ASN1_STRING_to_UTF8(&out, text);
  if (size < 0) return ERR_clear_error(), std::string();
  std::string copy(reinterpret_cast<char*>(out), static_cast<size_t>(size));
  OPENSSL_free(out);
  return copy;
}

void read_subject(X509* source, CertificateInfo& info) {
  const X509_NAME* name = X509_get_subject_name(source);
  for (int i = 0; i < X509_NAME_entry_count(name); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(name, i);
    int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (nid == NID_commonName) info.common_name = utf8_of(X509_NAME_ENTRY_get_data(entry));
    if (nid == NID_organizationName) info.organizations.push_back(utf8_of(X509_NAME_ENTRY_get_data(entry)));
  }
}

void read_alternative_names(X509* source, CertificateInfo& info) {
  GeneralNamesPtr names(static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(source, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int type = 0;
    auto* text = static_cast<const ASN1_STRING*>(GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &type));
    if (type != GEN_DNS && type != GEN_IPADD) continue;
    std::string_view bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
                           static_cast<size_t>(ASN1_STRING_length(text)));
    char address[INET6_ADDRSTRLEN];
    if (type == GEN_DNS) {
      info.dns_names.emplace_back(bytes);
    } else if (bytes.size() == 4 || bytes.size() == 16) {
      inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), address, sizeof address);
      info.ip_addresses.emplace_back(address);
    }
  }
}

}  // namespace

struct X509Builder {
  static EVP_PKEY* key(const PrivateKey& key) { return static_cast<EVP_PKEY*>(key.key_.get()); }
  static PrivateKey wrap(EVP_PKEY* key) {
    return PrivateKey(std::shared_ptr<void>(key, [](void* p) { EVP_PKEY_free(static_cast<EVP_PKEY*>(p)); }));
  }

  // `issuer` null: signs itself, as a CA.
  static Result<std::string> build(const CertificateSpec& spec, const PrivateKey& subject_key, X509* issuer,
                                   const PrivateKey& issuer_key) {
    if (spec.not_after <= spec.not_before) return fail(Code::kInvalid, "x509: the certificate would end before it starts");
    X509Ptr target(X509_new());
    KOBUK_TRY(NamePtr subject, make_subject(spec));
    X509* signer = issuer ? issuer : target.get();
    bool ok = target && X509_set_version(target.get(), 2) == 1 && set_random_serial(target.get()) &&
              set_time(X509_getm_notBefore(target.get()), spec.not_before) &&
              set_time(X509_getm_notAfter(target.get()), spec.not_after) &&
              X509_set_subject_name(target.get(), subject.get()) == 1 &&
              X509_set_issuer_name(target.get(), X509_get_subject_name(signer)) == 1 &&
              X509_set_pubkey(target.get(), key(subject_key)) == 1;
    if (!ok) return openssl_error(Code::kInternal, "x509: make a certificate");
    ok = add_extension(target.get(), signer, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE") &&
         add_extension(target.get(), signer, NID_key_usage,
                       issuer ? "critical,digitalSignature" : "critical,digitalSignature,keyCertSign,cRLSign") &&
         add_extension(target.get(), signer, NID_subject_key_identifier, "hash") &&
         (!issuer || add_extension(target.get(), signer, NID_authority_key_identifier, "keyid"));
    std::string usage = cat(spec.server_auth ? "serverAuth" : "", spec.server_auth && spec.client_auth ? "," : "",
                            spec.client_auth ? "clientAuth" : "");
    if (ok && !usage.empty()) ok = add_extension(target.get(), signer, NID_ext_key_usage, usage.c_str());
    if (!ok) return openssl_error(Code::kInternal, "x509: add the extensions");
    KOBUK_CHECK(add_alternative_names(target.get(), spec));
    if (X509_sign(target.get(), key(issuer_key), EVP_sha256()) <= 0) return openssl_error(Code::kInternal, "x509: sign");
    return to_der(i2d_X509, target.get());
  }
};

Result<PrivateKey> PrivateKey::generate() {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  if (!key) return openssl_error(Code::kInternal, "generate a key");
  return X509Builder::wrap(key);
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view text) {
  KOBUK_TRY(std::vector<PemBlock> blocks, decode_pem(text));
  for (const PemBlock& block : blocks) {
    if (block.label == "ENCRYPTED PRIVATE KEY") {
      return fail(Code::kUnsupported, "the private key is encrypted; decrypt it first: openssl pkcs8 -in KEY -out PLAIN");
    }
    if (!block.label.ends_with("PRIVATE KEY")) continue;
    auto* at = reinterpret_cast<const unsigned char*>(block.der.data());
    auto* end = at + block.der.size();
    KeyPtr key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(block.der.size())));
    if (!key || at != end) return openssl_error(Code::kInvalid, "malformed private key");
    return X509Builder::wrap(key.release());
  }
  return fail(Code::kInvalid, "no PRIVATE KEY block in the PEM text");
}

std::string PrivateKey::to_pem() const {
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(X509Builder::key(*this));
  std::string der = info ? to_der(i2d_PKCS8_PRIV_KEY_INFO, info) : std::string();
  PKCS8_PRIV_KEY_INFO_free(info);
  return encode_pem("PRIVATE KEY", der);
}

std::string PrivateKey::public_pem() const {
  return encode_pem("PUBLIC KEY", to_der(i2d_PUBKEY, static_cast<const EVP_PKEY*>(X509Builder::key(*this))));
}

bool PrivateKey::matches(std::string_view certificate_der) const {
  X509Ptr target = from_der(certificate_der);
  bool ok = target && X509_check_private_key(target.get(), X509Builder::key(*this)) == 1;
  ERR_clear_error();
  return ok;
}

Result<std::string> self_signed_ca(std::string_view common_name, const PrivateKey& key, WallTime not_before,
                                   WallTime not_after) {
  CertificateSpec spec{.common_name = std::string(common_name), .not_before = not_before, .not_after = not_after};
  return X509Builder::build(spec, key, nullptr, key);
}

Result<std::string> issue_certificate(const CertificateSpec& spec, const PrivateKey& subject_key, std::string_view ca_der,
                                      const PrivateKey& ca_key) {
  KOBUK_TRY(X509Ptr ca, certificate(ca_der));
  if (!ca_key.matches(ca_der)) return fail(Code::kInvalid, "x509: the CA's key does not belong to its certificate");
  return X509Builder::build(spec, subject_key, ca.get(), ca_key);
}

Result<CertificateInfo> parse_certificate(std::string_view der) {
  KOBUK_TRY(X509Ptr source, certificate(der));
  CertificateInfo info;
  read_subject(source.get(), info);
  read_alternative_names(source.get(), info);
  KOBUK_TRY(info.not_before, time_of(X509_get0_notBefore(source.get())));
  KOBUK_TRY(info.not_after, time_of(X509_get0_notAfter(source.get())));
  info.is_ca = X509_check_ca(source.get()) > 0;
  info.sha256 = Digest::of(der);
  ERR_clear_error();
  return info;
}

bool is_issued_by(std::string_view certificate_der, std::string_view ca_der) {
  X509Ptr target = from_der(certificate_der), ca = from_der(ca_der);
  bool ok = target && ca && X509_check_issued(ca.get(), target.get()) == X509_V_OK &&
            X509_verify(target.get(), X509_get0_pubkey(ca.get())) == 1;
  ERR_clear_error();
  return ok;
}

}  // namespace kobuk::codec
