// TLS over a Stream, as a Stream. Internal to io.
#pragma once

#include <memory>

#include "io/stream.h"
#include "io/tls.h"

namespace kobuk::io {

struct TlsConnection {
  std::unique_ptr<Stream> stream;
  TlsInfo info;
};
Task<Result<TlsConnection>> accept_tls(Loop& loop, std::unique_ptr<Stream> plain, std::shared_ptr<TlsContext> context, Duration timeout);
// server_name: for SNI and verification, unless the context's options name another. http1_only: offers no "h2".
Task<Result<TlsConnection>> connect_tls(Loop& loop, std::unique_ptr<Stream> plain, std::shared_ptr<TlsContext> context,
                                        std::string server_name, Duration timeout, bool http1_only = false);
bool offers_http2(const TlsContext& context);

}  // namespace kobuk::io
