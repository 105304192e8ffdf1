// A packet: version, kind, then the fields of the struct in order. All of them, whatever the kind: the
// messages are small, and there is one way to read them.
#include "runtime/protocol.h"

#include "runtime/wire.h"

namespace kobuk::runtime {
namespace {

constexpr uint8_t kVersion = 1;

template <class Kind>
Result<Decoder> open_packet(std::string_view packet, Kind& kind, Kind last) {
  if (packet.size() > kMaxMessage) return fail(Code::kDataLoss, "a message of ", packet.size(), " bytes");
  Decoder in(packet);
  uint8_t version = 0;
  in.get(version);
  if (!in.failed() && version != kVersion)
    return fail(Code::kUnsupported, "the monitor speaks version ", version, " of the protocol, this program ",
                kVersion, "; use the program that started the container");
  uint8_t raw = 0;
  in.get(raw);
  if (in.failed() || raw > static_cast<uint8_t>(last))
    return fail(Code::kDataLoss, "a message of no known kind");
  kind = static_cast<Kind>(raw);
  return in;
}

}  // namespace

std::string encode(const Request& r) {
  Encoder out;
  out.put(kVersion);
  out.put(r.kind);
  out.put(r.signal);
  out.put(r.in);
  out.put(r.out);
  out.put(r.err);
  out.put(r.columns);
  out.put(r.rows);
  out.put(r.frozen);
  out.put_all(r.writes,
              [&](const sys::CgroupWrite& w) { out.put(w.file), out.put(w.value), out.put(w.optional); });
  out.put(r.bytes);
  return out.take();
}

std::string encode(const Reply& r) {
  Encoder out;
  out.put(kVersion);
  out.put(r.kind);
  out.put(r.code);
  out.put(r.number);
  out.put(r.signal);
  out.put(static_cast<int64_t>(r.time.time_since_epoch().count()));
  out.put(r.is_stderr);
  out.put(r.bytes);
  return out.take();
}

Result<Request> decode_request(std::string_view packet) {
  Request r;
  KOBUK_TRY(Decoder in, open_packet(packet, r.kind, Request::Kind::kFreeze));
  in.get(r.signal);
  in.get(r.in);
  in.get(r.out);
  in.get(r.err);
  in.get(r.columns);
  in.get(r.rows);
  in.get(r.frozen);
  in.get_all(r.writes, [&](sys::CgroupWrite& w) { in.get(w.file), in.get(w.value), in.get(w.optional); });
  in.get(r.bytes);
  if (!in.at_end()) return fail(Code::kDataLoss, "a malformed request");
  return r;
}

Result<Reply> decode_reply(std::string_view packet) {
  Reply r;
  KOBUK_TRY(Decoder in, open_packet(packet, r.kind, Reply::Kind::kEnded));
  in.get(r.code);
  in.get(r.number);
  in.get(r.signal);
  int64_t nanos = 0;
  in.get(nanos);
  r.time = WallTime{Duration{nanos}};
  in.get(r.is_stderr);
  in.get(r.bytes);
  if (!in.at_end() || r.code > static_cast<uint8_t>(Code::kInternal))
    return fail(Code::kDataLoss, "a malformed reply");
  return r;
}

Reply error_reply(const Error& error) {
  Reply reply{.kind = Reply::Kind::kError};
  reply.code = static_cast<uint8_t>(error.code());
  reply.number = error.system_errno();
  reply.bytes = error.message().substr(0, 16 << 10);
  return reply;
}

Error error_of(const Reply& reply) { return Error(static_cast<Code>(reply.code), reply.bytes, reply.number); }

}  // namespace kobuk::runtime
