#include "codec/protobuf.h"

#include <gtest/gtest.h>

#include <limits>
#include <vector>

namespace kobuk::codec {
namespace {

Result<std::vector<ProtobufField>> fields_of(std::string_view message) {
  std::vector<ProtobufField> out;
  ProtobufReader reader(message);
  ProtobufField field;
  while (true) {
    KOBUK_TRY(bool more, reader.next(field));
    if (!more) return out;
    out.push_back(field);
  }
}

TEST(Protobuf, WritesTheDocumentedExamples) {
  ProtobufWriter writer;
  writer.varint(1, 150);
  writer.bytes(2, "testing");
  writer.message(3, [](ProtobufWriter& inner) { inner.integer(1, 150); });
  EXPECT_EQ(hex(writer.text()), "089601" "120774657374696e67" "1a03089601");
}

TEST(Protobuf, RoundTripsEveryType) {
  ProtobufWriter writer;
  writer.varint(1, std::numeric_limits<uint64_t>::max());
  writer.integer(2, -5);
  writer.sint(3, std::numeric_limits<int64_t>::min());
  writer.fixed64(4, 0x0102030405060708);
  writer.fixed32(5, 0xfffefdfc);
  writer.number(6, -1.5);
  writer.boolean(536870911, true);
  writer.message(8, [](ProtobufWriter& inner) {
    inner.message(1, [](ProtobufWriter& innermost) { innermost.bytes(1, std::string(300, 'x')); });
    inner.bytes(2, "");
  });
  auto fields = fields_of(writer.take());
  ASSERT_TRUE(fields) << fields.error().message();
  ASSERT_EQ(fields->size(), 8u);
  EXPECT_EQ(fields->at(0).value, std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(fields->at(1).as_int64(), -5);
  EXPECT_EQ(fields->at(1).as_int32(), -5);
  EXPECT_EQ(fields->at(2).as_sint64(), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(fields->at(3).value, 0x0102030405060708u);
  EXPECT_EQ(fields->at(4).value, 0xfffefdfcu);
  EXPECT_EQ(fields->at(5).as_double(), -1.5);
  EXPECT_EQ(fields->at(6).number, 536870911u);
  EXPECT_TRUE(fields->at(6).as_bool());
}

TEST(Protobuf, NestedMessagesReadBack) {
  ProtobufWriter writer;
  writer.message(8, [](ProtobufWriter& inner) {
    inner.message(1, [](ProtobufWriter& innermost) { innermost.bytes(1, std::string(300, 'x')); });
  });
  std::string text = writer.take();
  auto outer = fields_of(text);
  ASSERT_TRUE(outer);
  auto inner = fields_of(outer->at(0).bytes);
  ASSERT_TRUE(inner);
  auto innermost = fields_of(inner->at(0).bytes);
  ASSERT_TRUE(innermost);
  EXPECT_EQ(innermost->at(0).bytes, std::string(300, 'x'));
}

TEST(Protobuf, GroupsAreSkipped) {
  auto fields = fields_of("\x0b\x08\x05\x13\x14\x0c\x08\x07");  // group 1 { field 1, group 2 {} }, field 1 = 7
  ASSERT_TRUE(fields) << fields.error().message();
  ASSERT_EQ(fields->size(), 1u);
  EXPECT_EQ(fields->at(0).value, 7u);
}

TEST(Protobuf, MalformedMessagesAreRefused) {
  auto error = [](std::string_view hex_text) {
    std::string bytes = unhex(hex_text).value();
    auto fields = fields_of(bytes);
    return fields ? "no error" : fields.error().message();
  };
  EXPECT_EQ(error("08"), "protobuf: unexpected end of the message");
  EXPECT_EQ(error("0896"), "protobuf: unexpected end of the message");
  EXPECT_EQ(error("0a05616263"), "protobuf: unexpected end of the message");
  EXPECT_EQ(error("0affffffffffffffffff01"), "protobuf: unexpected end of the message");
  EXPECT_EQ(error("08ffffffffffffffffff02"), "protobuf: a number of more than 64 bits");
  EXPECT_EQ(error("08ffffffffffffffffffff01"), "protobuf: a number of more than 64 bits");
  EXPECT_EQ(error("0001"), "protobuf: invalid field number 0");
  EXPECT_EQ(error("0e"), "protobuf: invalid wire type 6");
  EXPECT_EQ(error("0b"), "protobuf: unexpected end of the message");
  EXPECT_EQ(error("0b14"), "protobuf: unmatched end of a group");
  EXPECT_EQ(error("0c"), "protobuf: unmatched end of a group");
  std::string deep;
  for (int i = 0; i < 65; ++i) deep += "0b";
  EXPECT_EQ(error(deep), "protobuf: groups are nested too deep");
}

}  // namespace
}  // namespace kobuk::codec
