// TLS 1.2 (RFC 5246) and 1.3 (RFC 8446) by OpenSSL, over memory BIOs: the records go through a Stream, so that TLS
// works on whatever can carry bytes.
#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "io/tls_stream.h"

namespace kobuk::io {

class TlsContext {
 public:
  ~TlsContext() { SSL_CTX_free(context); }
  SSL_CTX* context = nullptr;
  std::string alpn;  // wire form, in order of preference
  std::string server_name;
  bool verify = false;
};

namespace {

std::string openssl_error() {
  unsigned long code = ERR_get_error();
  ERR_clear_error();
  const char* text = code == 0 ? nullptr : ERR_reason_error_string(code);
  return text == nullptr ? "unknown TLS error" : text;
}

struct BioDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
};
struct X509Deleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
};
using BioPtr = std::unique_ptr<BIO, BioDeleter>;
using X509Ptr = std::unique_ptr<X509, X509Deleter>;

BioPtr bio_of(const std::string& text) { return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

Result<void> use_certificate(SSL_CTX* context, const std::string& chain_pem, const std::string& key_pem) {
  BioPtr chain = bio_of(chain_pem), key_text = bio_of(key_pem);
  X509Ptr leaf(PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) return fail(Code::kInvalid, "certificate: ", openssl_error());
  while (X509* next = PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add0_chain_cert(context, next);
  }
  ERR_clear_error();  // the end of the chain is an error to the PEM reader
  EVP_PKEY* key = PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr);
  bool used = key != nullptr && SSL_CTX_use_PrivateKey(context, key) == 1 && SSL_CTX_check_private_key(context) == 1;
  EVP_PKEY_free(key);
  if (!used) return fail(Code::kInvalid, "private key: ", openssl_error());
  return {};
}

Result<void> trust(SSL_CTX* context, const std::string& ca_pem, bool announce) {
  BioPtr text = bio_of(ca_pem);
  int count = 0;
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    X509Ptr certificate(next);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), next);
    if (announce) SSL_CTX_add_client_CA(context, next);
    ++count;
  }
  ERR_clear_error();
  if (count == 0) return fail(Code::kInvalid, "the CA file holds no certificate");
  return {};
}

std::string alpn_wire(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    out.push_back(static_cast<char>(name.size()));
    out += name;
  }
  return out;
}

int select_alpn(SSL*, const unsigned char** out, unsigned char* out_length, const unsigned char* in, unsigned in_length, void* argument) {
  const auto* context = static_cast<const TlsContext*>(argument);
  unsigned char* chosen = nullptr;
  int found = SSL_select_next_proto(&chosen, out_length, reinterpret_cast<const unsigned char*>(context->alpn.data()),
                                    static_cast<unsigned>(context->alpn.size()), in, in_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

Result<std::shared_ptr<TlsContext>> make_context(const SSL_METHOD* method, const std::vector<std::string>& alpn) {
  auto out = std::make_shared<TlsContext>();
  out->context = SSL_CTX_new(method);
  if (out->context == nullptr) return fail(Code::kInternal, "TLS context: ", openssl_error());
  SSL_CTX_set_min_proto_version(out->context, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(out->context, "ECDHE+AESGCM:ECDHE+CHACHA20");  // 1.2: forward secrecy and AEAD only
  SSL_CTX_set_mode(out->context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_options(out->context, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  out->alpn = alpn_wire(alpn);
  return out;
}

class TlsStream final : public Stream {
 public:
  TlsStream(Loop& loop, std::unique_ptr<Stream> plain, std::shared_ptr<TlsContext> context)
      : plain_(std::move(plain)), context_(std::move(context)), ssl_(SSL_new(context_->context)), flushed_(loop) {
    SSL_set_bio(ssl_, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    flushed_.set();
  }
  ~TlsStream() override { SSL_free(ssl_); }
  SSL* ssl() { return ssl_; }

  Task<Result<void>> handshake() {
    while (true) {
      ERR_clear_error();
      int done = SSL_do_handshake(ssl_);
      int why = SSL_get_error(ssl_, done);
      std::string reason = done == 1 || why == SSL_ERROR_WANT_READ ? "" : failure();
      auto sent = co_await flush();
      if (done == 1) co_return sent;
      if (why != SSL_ERROR_WANT_READ) co_return fail(Code::kUnauthenticated, "tls: ", reason);
      if (!sent) co_return sent;
      KOBUK_CO_TRY(bool more, co_await feed());
      if (!more) co_return fail(Code::kUnavailable, "tls: the connection ended within the handshake");
    }
  }

  Task<Result<std::string>> read(size_t max) override {
    std::string buffer;
    while (true) {
      buffer.resize(max);
      ERR_clear_error();
      int got = SSL_read(ssl_, buffer.data(), static_cast<int>(std::min<size_t>(max, 1 << 20)));
      int why = SSL_get_error(ssl_, got);
      // The read may have made records of its own (key updates, alerts). A writer that is under way sends them too;
      // to wait for it would let two peers that both write wait for each other's reader for ever.
      Result<void> sent;
      if (flushed_.is_set() && BIO_ctrl_pending(SSL_get_wbio(ssl_)) > 0) sent = co_await flush();
      if (got > 0) {
        buffer.resize(static_cast<size_t>(got));
        co_return buffer;
      }
      if (why == SSL_ERROR_ZERO_RETURN || ended_) co_return std::string();
      if (why != SSL_ERROR_WANT_READ) co_return fail(Code::kUnavailable, "tls: ", openssl_error());
      if (!sent) co_return fail(std::move(sent).error());
      buffer = std::string();
      KOBUK_CO_TRY(bool more, co_await feed());
      if (!more) BIO_set_mem_eof_return(SSL_get_rbio(ssl_), 0);
      ended_ = !more;
    }
  }

  Task<Result<void>> write(std::string_view bytes) override {
    while (!bytes.empty()) {
      ERR_clear_error();
      size_t piece = std::min<size_t>(bytes.size(), 64 << 10);
      int put = SSL_write(ssl_, bytes.data(), static_cast<int>(piece));
      if (put <= 0) co_return fail(Code::kUnavailable, "tls: ", openssl_error());
      bytes.remove_prefix(static_cast<size_t>(put));
      KOBUK_CO_CHECK(co_await flush());
    }
    co_return Result<void>();
  }

  Task<Result<void>> shutdown_write() override {
    SSL_shutdown(ssl_);
    auto sent = co_await flush();
    co_return sent;
  }

  void close() override { plain_->close(); }
  void set_write_timeout(Duration timeout) override { plain_->set_write_timeout(timeout); }

 private:
  std::string failure() {
    long verified = SSL_get_verify_result(ssl_);
    if (verified != X509_V_OK) {
      ERR_clear_error();
      return cat("failed to verify certificate: ", X509_verify_cert_error_string(verified));
    }
    return openssl_error();
  }

  // Records that OpenSSL has made, to the peer. One sender at a time, so that records keep their order.
  Task<Result<void>> flush() {
    while (!flushed_.is_set()) co_await flushed_.wait();
    if (broken_) co_return fail(Code::kUnavailable, "tls: an earlier write was cut short");
    flushed_.reset();
    // A record that went out in part (an error, or a writer that was destroyed) can't be followed by another.
    broken_ = true;
    struct Done {
      Event& event;
      ~Done() { event.set(); }
    } done{flushed_};
    while (size_t waiting = BIO_ctrl_pending(SSL_get_wbio(ssl_))) {
      std::string records(waiting, '\0');
      int got = BIO_read(SSL_get_wbio(ssl_), records.data(), static_cast<int>(records.size()));
      if (got <= 0) break;
      records.resize(static_cast<size_t>(got));
      KOBUK_CO_CHECK(co_await plain_->write(records));
    }
    broken_ = false;
    co_return Result<void>();
  }

  Task<Result<bool>> feed() {
    KOBUK_CO_TRY(std::string records, co_await plain_->read(16 << 10));
    if (!records.empty()) BIO_write(SSL_get_rbio(ssl_), records.data(), static_cast<int>(records.size()));
    co_return !records.empty();
  }

  std::unique_ptr<Stream> plain_;
  std::shared_ptr<TlsContext> context_;
  SSL* ssl_;
  Event flushed_;
  bool ended_ = false, broken_ = false;
};

Task<Result<TlsConnection>> finish(Loop& loop, std::unique_ptr<TlsStream> stream, Duration timeout) {
  ScopedTimer timer{loop, loop.start_timer(timeout, [s = stream.get()] { s->close(); })};
  KOBUK_CO_CHECK(co_await stream->handshake());
  TlsConnection out;
  const unsigned char* alpn = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(stream->ssl(), &alpn, &length);
  if (length > 0) out.info.alpn.assign(reinterpret_cast<const char*>(alpn), length);
  X509Ptr peer(SSL_get1_peer_certificate(stream->ssl()));
  if (peer && SSL_get_verify_result(stream->ssl()) == X509_V_OK) {
    int size = i2d_X509(peer.get(), nullptr);
    out.info.peer_certificate_der.resize(static_cast<size_t>(std::max(size, 0)));
    auto* to = reinterpret_cast<unsigned char*>(out.info.peer_certificate_der.data());
    i2d_X509(peer.get(), &to);
  }
  out.stream = std::move(stream);
  co_return out;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> make_tls_server_context(const TlsServerOptions& options) {
  KOBUK_TRY(auto out, make_context(TLS_server_method(), options.alpn));
  KOBUK_CHECK(use_certificate(out->context, options.certificate_chain_pem, options.private_key_pem));
  if (!options.alpn.empty()) SSL_CTX_set_alpn_select_cb(out->context, select_alpn, out.get());
  if (!options.client_ca_pem.empty()) {
    KOBUK_CHECK(trust(out->context, options.client_ca_pem, true));
    SSL_CTX_set_verify(out->context, SSL_VERIFY_PEER, nullptr);  // asked for; a bad one ends the handshake
    const unsigned char session[] = "kobuk";
    SSL_CTX_set_session_id_context(out->context, session, sizeof session - 1);
  }
  return out;
}

Result<std::shared_ptr<TlsContext>> make_tls_client_context(const TlsClientOptions& options) {
  KOBUK_TRY(auto out, make_context(TLS_client_method(), options.alpn));
  if (!options.certificate_chain_pem.empty()) {
    KOBUK_CHECK(use_certificate(out->context, options.certificate_chain_pem, options.private_key_pem));
  }
  if (!options.ca_pem.empty()) {
    KOBUK_CHECK(trust(out->context, options.ca_pem, false));
  } else {
    SSL_CTX_set_default_verify_paths(out->context);
  }
  out->verify = !options.insecure_skip_verify;
  out->server_name = options.server_name;
  SSL_CTX_set_verify(out->context, out->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  if (!out->alpn.empty()) {
    SSL_CTX_set_alpn_protos(out->context, reinterpret_cast<const unsigned char*>(out->alpn.data()), static_cast<unsigned>(out->alpn.size()));
  }
  return out;
}

bool offers_http2(const TlsContext& context) { return context.alpn.find("\x02h2") != std::string::npos; }

Task<Result<TlsConnection>> accept_tls(Loop& loop, std::unique_ptr<Stream> plain, std::shared_ptr<TlsContext> context, Duration timeout) {
  auto stream = std::make_unique<TlsStream>(loop, std::move(plain), std::move(context));
  SSL_set_accept_state(stream->ssl());
  auto out = co_await finish(loop, std::move(stream), timeout);
  co_return out;
}

Task<Result<TlsConnection>> connect_tls(Loop& loop, std::unique_ptr<Stream> plain, std::shared_ptr<TlsContext> context,
                                        std::string server_name, Duration timeout, bool http1_only) {
  if (!context->server_name.empty()) server_name = context->server_name;
  bool verify = context->verify;
  auto chosen = context;
  auto stream = std::make_unique<TlsStream>(loop, std::move(plain), std::move(context));
  SSL_set_connect_state(stream->ssl());
  if (http1_only && offers_http2(*chosen)) {
    const std::string alpn = alpn_wire({"http/1.1"});
    SSL_set_alpn_protos(stream->ssl(), reinterpret_cast<const unsigned char*>(alpn.data()), static_cast<unsigned>(alpn.size()));
  }
  X509_VERIFY_PARAM* expected = SSL_get0_param(stream->ssl());
  bool address = X509_VERIFY_PARAM_set1_ip_asc(expected, server_name.c_str()) == 1;
  if (!address) SSL_set_tlsext_host_name(stream->ssl(), server_name.c_str());
  if (!address && verify && X509_VERIFY_PARAM_set1_host(expected, server_name.c_str(), server_name.size()) != 1) {
    co_return fail(Code::kInvalid, "tls: bad server name ", go_quote(server_name));
  }
  ERR_clear_error();
  auto out = co_await finish(loop, std::move(stream), timeout);
  co_return out;
}

}  // namespace kobuk::io
