#include "app/pki.h"

#include <chrono>

#include "codec/pem.h"
#include "codec/x509.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

using codec::CertificateSpec;
using codec::PrivateKey;
using std::chrono::hours;

constexpr auto kAuthorityLife = hours(24 * 3650);
constexpr auto kCertificateLife = hours(24 * 365);
constexpr auto kRenewBefore = hours(24 * 30);
constexpr auto kClockSkew = std::chrono::minutes(5);

class Authority {
 public:
  Authority(std::string directory, WallTime now) : directory_(std::move(directory)), now_(now) {}

  Result<void> open() {
    KOBUK_CHECK(sys::make_directories(directory_, 0700));
    if (!sys::exists(path("ca.crt"))) KOBUK_CHECK(create());
    KOBUK_TRY(ca_pem_, sys::read_file(path("ca.crt"), 1 << 20));
    KOBUK_TRY(ca_der_, codec::decode_pem_block(ca_pem_, "CERTIFICATE"));
    KOBUK_TRY(std::string key_pem, sys::read_file(path("ca.key"), 1 << 20));
    KOBUK_TRY(PrivateKey key, PrivateKey::from_pem(key_pem));
    if (!key.matches(ca_der_)) return fail(Code::kDataLoss, path("ca.key"), " is not the key of ca.crt");
    key_ = std::move(key);
    return {};
  }

  const std::string& ca_pem() const { return ca_pem_; }

  Result<KeyPair> ensure(const std::string& name, CertificateSpec spec) {
    auto there = load(name, spec);
    if (there) return there;
    spec.not_before = now_ - kClockSkew;
    spec.not_after = now_ + kCertificateLife;
    KOBUK_TRY(PrivateKey key, PrivateKey::generate());
    KOBUK_TRY(std::string der, codec::issue_certificate(spec, key, ca_der_, *key_));
    KeyPair out{codec::encode_pem("CERTIFICATE", der), key.to_pem()};
    KOBUK_CHECK(sys::write_file_atomic(path(name + ".key"), out.key, 0600));
    KOBUK_CHECK(sys::write_file_atomic(path(name + ".crt"), out.certificate, 0644));
    return out;
  }

 private:
  std::string path(const std::string& name) const { return cat(directory_, "/", name); }

  // The key first: whoever finds the certificate finds its key.
  Result<void> create() {
    KOBUK_TRY(PrivateKey key, PrivateKey::generate());
    KOBUK_TRY(std::string der, codec::self_signed_ca("kobuk", key, now_ - kClockSkew, now_ + kAuthorityLife));
    KOBUK_CHECK(sys::write_file_atomic(path("ca.key"), key.to_pem(), 0600));
    return sys::write_file_atomic(path("ca.crt"), codec::encode_pem("CERTIFICATE", der), 0644);
  }

  // What is on disk, while it is ours, says the same, and stays valid long enough.
  Result<KeyPair> load(const std::string& name, const CertificateSpec& spec) {
    KOBUK_TRY(std::string certificate, sys::read_file(path(name + ".crt"), 1 << 20));
    KOBUK_TRY(std::string key_pem, sys::read_file(path(name + ".key"), 1 << 20));
    KOBUK_TRY(std::string der, codec::decode_pem_block(certificate, "CERTIFICATE"));
    KOBUK_TRY(codec::CertificateInfo info, codec::parse_certificate(der));
    KOBUK_TRY(PrivateKey key, PrivateKey::from_pem(key_pem));
    bool same = info.common_name == spec.common_name && info.organizations == spec.organizations &&
                info.dns_names == spec.dns_names && info.ip_addresses == spec.ip_addresses;
    bool good = same && info.not_after > now_ + kRenewBefore && key.matches(der) && codec::is_issued_by(der, ca_der_);
    if (!good) return fail(Code::kNotFound, name, " is to be issued anew");
    return KeyPair{std::move(certificate), std::move(key_pem)};
  }

  std::string directory_, ca_pem_, ca_der_;
  WallTime now_;
  std::optional<PrivateKey> key_;
};

CertificateSpec client(std::string user, std::vector<std::string> groups) {
  return {.common_name = std::move(user), .organizations = std::move(groups), .client_auth = true};
}

}  // namespace

Result<Pki> ensure_pki(const Profile& profile, WallTime now) {
  AddressPlan addresses = profile.addresses();
  Authority authority(profile.pki_directory(), now);
  KOBUK_CHECK(authority.open());
  Pki out;
  out.ca = authority.ca_pem();
  KOBUK_TRY(out.apiserver, authority.ensure("apiserver", {.common_name = "kube-apiserver",
      .dns_names = {"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
                    "kubernetes.default.svc.cluster.local", profile.node_name},
      .ip_addresses = {"127.0.0.1", addresses.node_ip, addresses.kubernetes_service}, .server_auth = true}));
  KOBUK_TRY(out.kubelet, authority.ensure("kubelet", {.common_name = cat("system:node:", profile.node_name),
      .organizations = {"system:nodes"}, .dns_names = {profile.node_name, "localhost"},
      .ip_addresses = {addresses.node_ip, "127.0.0.1"}, .server_auth = true}));
  KOBUK_TRY(out.apiserver_kubelet, authority.ensure("apiserver-kubelet-client", client("kube-apiserver-kubelet-client", {"system:masters"})));
  KOBUK_TRY(out.node, authority.ensure("node", client(cat("system:node:", profile.node_name), {"system:nodes"})));
  KOBUK_TRY(out.scheduler, authority.ensure("scheduler", client("system:kube-scheduler", {})));
  KOBUK_TRY(out.controllers, authority.ensure("controllers", client("system:kube-controller-manager", {})));
  KOBUK_TRY(out.admin, authority.ensure("admin", client("kubernetes-admin", {"system:masters"})));
  return out;
}

std::string make_kubeconfig(const Profile& profile, const std::string& ca_pem, const KeyPair& client) {
  std::string name = profile.name == "default" ? "kobuk" : cat("kobuk-", profile.name);
  return cat("apiVersion: v1\nkind: Config\ncurrent-context: ", name,
             "\nclusters:\n- name: ", name, "\n  cluster:\n    server: https://127.0.0.1:", profile.port,
             "\n    certificate-authority-data: ", base64(ca_pem),
             "\ncontexts:\n- name: ", name, "\n  context:\n    cluster: ", name, "\n    user: ", name,
             "\nusers:\n- name: ", name, "\n  user:\n    client-certificate-data: ", base64(client.certificate),
             "\n    client-key-data: ", base64(client.key), "\npreferences: {}\n");
}

}  // namespace kobuk::app
