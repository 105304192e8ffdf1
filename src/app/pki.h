// The profile's own certificate authority and what it has issued, as files of <root>/pki: NAME.crt and NAME.key (mode 0600).
//
//   KOBUK_TRY(Pki pki, ensure_pki(profile, now));
//   make_tls_server_context({.certificate_chain_pem = pki.apiserver.certificate, .private_key_pem = pki.apiserver.key, …});
//
// Missing certificates, and those that end within 30 days, are issued anew; the authority itself lives for ten years.
#pragma once

#include <string>

#include "app/profile.h"
#include "base/clock.h"
#include "base/result.h"

namespace kobuk::app {

struct KeyPair {
  std::string certificate, key;  // PEM
};

struct Pki {
  std::string ca;  // PEM, of all below
  KeyPair apiserver;          // serving
  KeyPair apiserver_kubelet;  // the API server as a client of kubelets
  KeyPair kubelet;            // serving
  KeyPair node;               // clients of the API server from here on
  KeyPair scheduler;
  KeyPair controllers;
  KeyPair admin;
};

Result<Pki> ensure_pki(const Profile& profile, WallTime now);

// A kubeconfig with everything in it, for `kind` admin: context and cluster are named "kobuk-<profile>" ("kobuk" for default).
std::string make_kubeconfig(const Profile& profile, const std::string& ca_pem, const KeyPair& client);

}  // namespace kobuk::app
