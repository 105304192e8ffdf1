#include "io/http1_parser.h"

#include <gtest/gtest.h>

namespace kobuk::io::http {
namespace {

TEST(Http1Request, ParsesAHead) {
  auto head = parse_request_head("POST /a?b=c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nX-A:  v \r\n\r\n");
  ASSERT_TRUE(head);
  EXPECT_EQ(head->method, "POST");
  EXPECT_EQ(head->target, "/a?b=c");
  EXPECT_EQ(head->framing, Framing::kLength);
  EXPECT_EQ(head->length, 5u);
  EXPECT_EQ(head->headers.get("x-a"), "v");
  EXPECT_TRUE(head->keep_alive);
}

TEST(Http1Request, KeepAliveByVersionAndHeader) {
  EXPECT_FALSE(parse_request_head("GET / HTTP/1.0\r\n\r\n")->keep_alive);
  EXPECT_TRUE(parse_request_head("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")->keep_alive);
  EXPECT_FALSE(parse_request_head("GET / HTTP/1.1\r\nHost: x\r\nConnection: foo, Close\r\n\r\n")->keep_alive);
  EXPECT_EQ(parse_request_head("GET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n")->target, "/y");
}

TEST(Http1Request, RefusesWhatCouldBeReadInTwoWays) {
  for (auto head : {"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /\r\nHost: x\r\n\r\n",
                    "GET / HTTP/2.0\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n", "GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost : x\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\n", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "G@T / HTTP/1.1\r\nHost: x\r\n\r\n",
                    "GET x HTTP/1.1\r\nHost: x\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n", ""}) {
    EXPECT_FALSE(parse_request_head(head)) << go_quote(head);
  }
}

TEST(Http1Response, FramingFollowsStatusAndMethod) {
  EXPECT_EQ(parse_response_head("HTTP/1.1 200 OK\r\n\r\n", "GET")->framing, Framing::kUntilClose);
  EXPECT_EQ(parse_response_head("HTTP/1.1 204 No Content\r\n\r\n", "GET")->framing, Framing::kNone);
  EXPECT_EQ(parse_response_head("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "HEAD")->framing, Framing::kNone);
  EXPECT_EQ(parse_response_head("HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n", "GET")->framing, Framing::kChunked);
  for (auto bad : {"HTTP/1.1 20 OK\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/3 200 OK\r\n\r\n", "HTTP/1.1 2000\r\n\r\n"}) {
    EXPECT_FALSE(parse_response_head(bad, "GET")) << bad;
  }
}

TEST(Chunked, DecodesHoweverItIsCut) {
  constexpr std::string_view kBody = "4;ext=1\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: x\r\n\r\nNEXT";
  for (size_t cut = 1; cut < kBody.size(); ++cut) {
    ChunkedDecoder decoder;
    std::string out;
    size_t taken = 0;
    for (size_t at = 0; at < kBody.size() && !decoder.done(); at += cut) {
      auto used = decoder.feed(kBody.substr(at, cut), out);
      ASSERT_TRUE(used) << used.error().message();
      taken += *used;
    }
    EXPECT_TRUE(decoder.done());
    EXPECT_EQ(out, "Wikipedia");
    EXPECT_EQ(kBody.substr(taken), "NEXT");
  }
}

TEST(Chunked, RefusesMalformedChunks) {
  for (auto body : {"x\r\n", "\r\n", "4\nWiki", "4\r\nWikiX\r\n", "fffffffffffffffff\r\n", "-1\r\n", "4\r\rWiki"}) {
    ChunkedDecoder decoder;
    std::string out;
    EXPECT_FALSE(decoder.feed(body, out)) << go_quote(body);
  }
}

TEST(Query, DecodesAndRefuses) {
  auto query = parse_query("a=1&b=%20x+y&flag&a=2&=");
  ASSERT_TRUE(query);
  EXPECT_EQ(query_value(*query, "a"), "1");
  EXPECT_EQ(query_value(*query, "b"), " x y");
  EXPECT_TRUE(query_has(*query, "flag"));
  EXPECT_FALSE(parse_query("a=%2"));
  EXPECT_EQ(percent_encode("a b/ü"), "a%20b%2f%c3%bc");
}

TEST(Headers, ValuesCannotStartAHeader) {
  Headers headers;
  headers.set("Location", "x\r\nSet-Cookie: y");
  EXPECT_EQ(headers.get("location"), "x  Set-Cookie: y");
}

}  // namespace
}  // namespace kobuk::io::http
