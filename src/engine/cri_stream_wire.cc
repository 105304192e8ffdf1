// kobuk.v1.Streams, as the header has it, in Protocol Buffers encoding.
#include "engine/cri_stream_wire.h"

#include "engine/cri_wire_fields.h"

namespace kobuk::engine::wire {
namespace {

Result<void> read(std::string_view bytes, StreamOpen& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.id = field.bytes; break;
      case 2: return add(out.command, field);
      case 3: out.tty = field.as_bool(); break;
      case 4: out.in = field.as_bool(); break;
      case 5: out.out = field.as_bool(); break;
      case 6: out.err = field.as_bool(); break;
      case 7: out.port = static_cast<uint32_t>(field.value); break;
      default: break;
    }
    return {};
  });
}

Result<void> read(std::string_view bytes, WindowSize& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.columns = static_cast<uint32_t>(field.value);
    if (field.number == 2) out.rows = static_cast<uint32_t>(field.value);
    return {};
  });
}

}  // namespace

std::string encode(const ToProcess& message) {
  ProtobufWriter out;
  if (message.open) {
    out.message(1, [&](ProtobufWriter& open) {
      put_text(open, 1, message.open->id);
      put_texts(open, 2, message.open->command);
      put_flag(open, 3, message.open->tty);
      put_flag(open, 4, message.open->in);
      put_flag(open, 5, message.open->out);
      put_flag(open, 6, message.open->err);
      put_number(open, 7, message.open->port);
    });
  }
  put_text(out, 2, message.in);
  put_flag(out, 3, message.close_in);
  if (message.resize) {
    out.message(4, [&](ProtobufWriter& size) {
      put_number(size, 1, message.resize->columns);
      put_number(size, 2, message.resize->rows);
    });
  }
  put_number(out, 5, static_cast<int64_t>(message.taken_out));
  put_number(out, 6, static_cast<int64_t>(message.taken_err));
  return out.take();
}

Result<void> decode(std::string_view bytes, ToProcess& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: return read(field.bytes, out.open.emplace());
      case 2: out.in = field.bytes; break;
      case 3: out.close_in = field.as_bool(); break;
      case 4: return read(field.bytes, out.resize.emplace());
      case 5: out.taken_out = field.value; break;
      case 6: out.taken_err = field.value; break;
      default: break;
    }
    return {};
  });
}

std::string encode(const FromProcess& message) {
  ProtobufWriter out;
  put_flag(out, 1, message.opened);
  put_flag(out, 2, message.has_in);
  put_flag(out, 3, message.has_out);
  put_flag(out, 4, message.has_err);
  put_text(out, 5, message.out);
  put_text(out, 6, message.err);
  put_flag(out, 7, message.out_ended);
  put_flag(out, 8, message.err_ended);
  if (message.exit) out.message(9, [&](ProtobufWriter& exit) { put_number(exit, 1, *message.exit); });
  put_number(out, 10, static_cast<int64_t>(message.taken_in));
  return out.take();
}

Result<void> decode(std::string_view bytes, FromProcess& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.opened = field.as_bool(); break;
      case 2: out.has_in = field.as_bool(); break;
      case 3: out.has_out = field.as_bool(); break;
      case 4: out.has_err = field.as_bool(); break;
      case 5: out.out = field.bytes; break;
      case 6: out.err = field.bytes; break;
      case 7: out.out_ended = field.as_bool(); break;
      case 8: out.err_ended = field.as_bool(); break;
      case 9: {
        KOBUK_TRY(int64_t code, to_value(field.bytes));
        out.exit = static_cast<int32_t>(code);
        break;
      }
      case 10: out.taken_in = field.value; break;
      default: break;
    }
    return {};
  });
}

}  // namespace kobuk::engine::wire
