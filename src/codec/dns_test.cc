#include "codec/dns.h"

#include <gtest/gtest.h>

namespace kobuk::codec {
namespace {

std::string bytes(std::string_view hex_text) { return unhex(hex_text).value(); }
std::string four(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
  return {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c), static_cast<char>(d)};
}
std::string error_of(std::string_view packet) {
  auto message = decode_dns(packet);
  return message ? "no error" : message.error().message();
}
// A query header with the given counts.
std::string header(std::string_view counts) { return bytes(cat("12340100", counts)); }

TEST(Dns, ReadsAQueryOfDig) {
  // dig kubernetes.default.svc.cluster.local, with EDNS (payload 1232, a cookie)
  std::string packet = bytes(
      "beef01200001000000000001"
      "0a6b756265726e657465730764656661756c7403737663" "07636c7573746572056c6f63616c0000010001"
      "00002904d000000000000c" "000a0008a1b2c3d4e5f60718");
  auto message = decode_dns(packet);
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message->id, 0xbeef);
  EXPECT_FALSE(message->response);
  EXPECT_TRUE(message->recursion_desired);
  ASSERT_EQ(message->questions.size(), 1u);
  EXPECT_EQ(message->questions[0].name, "kubernetes.default.svc.cluster.local");
  EXPECT_EQ(message->questions[0].type, DnsType::kA);
  EXPECT_EQ(message->edns_payload_size, 1232);
  EXPECT_TRUE(message->additional.empty());
}

DnsMessage full_answer() {
  DnsMessage query;
  query.id = 7;
  query.recursion_desired = true;
  query.questions = {{.name = "Web.default.svc.cluster.local", .type = DnsType::kA}};
  DnsMessage answer = dns_reply_to(query);
  answer.authoritative = answer.recursion_available = true;
  std::string zone = "default.svc.cluster.local";
  answer.answers = {
      {.name = "Web." + zone, .type = DnsType::kCname, .ttl = 30, .target = "web-2." + zone},
      {.name = "web-2." + zone, .type = DnsType::kA, .ttl = 5, .address = four(10, 96, 0, 1)},
      {.name = "web-2." + zone, .type = DnsType::kAaaa, .ttl = 5, .address = std::string(15, '\0') + "\1"},
      {.name = "_http._tcp.web." + zone, .type = DnsType::kSrv, .ttl = 5, .target = "web-2." + zone, .priority = 1, .weight = 50, .port = 8080},
      {.name = "1.0.96.10.in-addr.arpa", .type = DnsType::kPtr, .target = "web-2." + zone},
      {.name = zone, .type = DnsType::kTxt, .texts = {"1.1.0", std::string(255, 'x'), ""}},
      {.name = "odd", .type = static_cast<DnsType>(99), .data = "raw"},
  };
  answer.authority = {{.name = "cluster.local", .type = DnsType::kSoa, .ttl = 5,
                       .soa = DnsSoa{"ns.dns.cluster.local", "hostmaster.cluster.local", 1, 7200, 1800, 86400, 5}}};
  answer.additional = {{.name = "ns.dns.cluster.local", .type = DnsType::kA, .address = four(10, 96, 0, 10)}};
  answer.edns_payload_size = 1232;
  return answer;
}

TEST(Dns, AnswersRoundTrip) {
  DnsMessage answer = full_answer();
  auto packet = encode_dns(answer);
  ASSERT_TRUE(packet) << packet.error().message();
  auto back = decode_dns(*packet);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_TRUE(back->response && back->authoritative && back->recursion_desired && back->recursion_available);
  EXPECT_FALSE(back->truncated);
  EXPECT_EQ(back->edns_payload_size, 1232);
  ASSERT_EQ(back->answers.size(), answer.answers.size());
  for (size_t i = 0; i < answer.answers.size(); ++i) {
    const DnsRecord& want = answer.answers[i];
    const DnsRecord& got = back->answers[i];
    EXPECT_EQ(got.name, want.name);
    EXPECT_EQ(got.type, want.type);
    EXPECT_EQ(got.ttl, want.ttl);
    EXPECT_EQ(got.address, want.address);
    EXPECT_EQ(got.target, want.target);
    EXPECT_EQ(got.port, want.port);
    EXPECT_EQ(got.weight, want.weight);
    EXPECT_EQ(got.priority, want.priority);
    EXPECT_EQ(got.texts, want.texts);
    EXPECT_EQ(got.data, want.data);
  }
  ASSERT_EQ(back->authority.size(), 1u);
  EXPECT_EQ(back->authority[0].soa->mailbox, "hostmaster.cluster.local");
  EXPECT_EQ(back->authority[0].soa->minimum, 5u);
  ASSERT_EQ(back->additional.size(), 1u);
}

TEST(Dns, NamesAreCompressed) {
  DnsMessage message;
  message.questions = {{.name = "a.example"}};
  message.answers = {{.name = "a.example", .address = four(1, 2, 3, 4)}, {.name = "b.example", .address = four(1, 2, 3, 5)}};
  auto packet = encode_dns(message);
  ASSERT_TRUE(packet);
  EXPECT_EQ(hex(std::string_view(*packet).substr(12)),
            "0161076578616d706c650000010001"
            "c00c00010001000000000004" "01020304"
            "0162c00e00010001000000000004" "01020305");
}

TEST(Dns, WhatDoesNotFitIsLeftOutAndSaid) {
  DnsMessage message;
  message.response = true;
  message.questions = {{.name = "many.example"}};
  for (int i = 0; i < 100; ++i) message.answers.push_back({.name = "many.example", .address = four(10, 0, 0, static_cast<uint8_t>(i))});
  auto packet = encode_dns(message, kDnsUdpSize);
  ASSERT_TRUE(packet);
  EXPECT_LE(packet->size(), kDnsUdpSize);
  auto back = decode_dns(*packet);
  ASSERT_TRUE(back);
  EXPECT_TRUE(back->truncated);
  EXPECT_EQ(back->answers.size(), (512u - 12 - 18) / 16);
  EXPECT_FALSE(decode_dns(*encode_dns(message))->truncated);
  message.answers.resize(1);
  message.additional.assign(100, {.name = "x.example", .address = four(1, 1, 1, 1)});
  EXPECT_FALSE(decode_dns(*encode_dns(message, kDnsUdpSize))->truncated);
  EXPECT_EQ(encode_dns(message, 20).error().code(), Code::kTooLarge);
}

TEST(Dns, OddBytesInLabelsAreEscaped) {
  std::string packet = header("0001000000000000") + std::string("\5a.b\\\7\0\0\1\0\1", 11);
  auto message = decode_dns(packet);
  ASSERT_TRUE(message) << message.error().message();
  EXPECT_EQ(message->questions[0].name, "a\\.b\\\\\\007");
  EXPECT_EQ(encode_dns(*message).value_or(""), packet);
}

TEST(Dns, NamesThatCannotBeSentAreRefused) {
  auto sends = [](std::string_view name) {
    DnsMessage message;
    message.questions = {{.name = std::string(name)}};
    return encode_dns(message).has_value();
  };
  EXPECT_TRUE(sends(""));
  EXPECT_TRUE(sends("."));
  EXPECT_TRUE(sends("a."));
  EXPECT_TRUE(sends(std::string(63, 'a')));
  EXPECT_FALSE(sends(std::string(64, 'a')));
  EXPECT_FALSE(sends("a..b"));
  EXPECT_FALSE(sends(".a"));
  EXPECT_FALSE(sends("a\\"));
  EXPECT_FALSE(sends("a\\25"));
  EXPECT_FALSE(sends("a\\256"));
  std::string longest = std::string(63, 'a') + "." + std::string(63, 'b') + "." + std::string(63, 'c') + ".";
  EXPECT_TRUE(sends(longest + std::string(61, 'd')));
  EXPECT_FALSE(sends(longest + std::string(62, 'd')));
  DnsMessage message;
  message.answers = {{.name = "a", .address = "123"}};
  EXPECT_FALSE(encode_dns(message));
}

TEST(Dns, MalformedMessagesAreRefused) {
  std::string end = "dns: unexpected end of the message";
  EXPECT_EQ(error_of(""), end);
  EXPECT_EQ(error_of("12345"), end);
  EXPECT_EQ(error_of(header("0001000000000000")), end);
  EXPECT_EQ(error_of(header("ffffffffffffffff")), end);
  EXPECT_EQ(error_of(header("0001000000000000") + bytes("0361")), end);
  EXPECT_EQ(error_of(header("0001000000000000") + bytes("c0")), end);
  EXPECT_EQ(error_of(header("0001000000000000") + bytes("4061")), "dns: unknown kind of label");
  std::string back = "dns: a compression pointer does not point back";
  EXPECT_EQ(error_of(header("0001000000000000") + bytes("c00c00010001")), back);            // to itself
  EXPECT_EQ(error_of(header("0001000000000000") + bytes("c00e0161c00c00010001")), back);    // forward
  EXPECT_EQ(error_of(header("0001000000000000") + bytes("0161c00c00010001")), back);        // a loop
  std::string record = "00" "0001" "0001" "00000000";
  EXPECT_EQ(error_of(header("0000000100000000") + bytes(record + "0003010203")), "dns: an address has a wrong size");
  EXPECT_EQ(error_of(header("0000000100000000") + bytes(record + "000401")), end);
  EXPECT_EQ(error_of(header("0000000100000000") + bytes("000005000100000000" "0003" "016100" )), "no error");
  EXPECT_EQ(error_of(header("0000000100000000") + bytes("000005000100000000" "0004" "01610000")),
            "dns: the data of a record has a wrong size");
  EXPECT_EQ(error_of(header("0000000100000000") + bytes("000010000100000000" "0002" "0361" "6262")),
            "dns: the data of a record has a wrong size");
  std::string long_name;
  for (int i = 0; i < 5; ++i) long_name += "3f" + hex(std::string(63, 'a'));
  EXPECT_EQ(error_of(header("0001000000000000") + bytes(long_name + "0000010001")), "dns: a name is too long");
}

TEST(Dns, EveryCutOfAnAnswerIsNoticed) {
  std::string packet = *encode_dns(full_answer());
  for (size_t n = 0; n < packet.size(); ++n) EXPECT_FALSE(decode_dns(std::string_view(packet).substr(0, n))) << n;
}

}  // namespace
}  // namespace kobuk::codec
