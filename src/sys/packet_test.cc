// Packets over Unix sockets.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::sys {
namespace {

TEST(Packet, CarriesBytesAndDescriptors) {
  auto pair = packet_socket_pair();
  ASSERT_TRUE(pair.has_value());
  auto pipe = make_pipe();
  ASSERT_TRUE(pipe.has_value());
  ASSERT_TRUE(send_packet(pair->first.get(), "one", {pipe->second.get()}).has_value());
  ASSERT_TRUE(send_packet(pair->first.get(), "two").has_value());
  auto one = receive_packet(pair->second.get(), 100);
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->bytes, "one");
  ASSERT_EQ(one->fds.size(), 1u);
  ASSERT_TRUE(write_all(one->fds[0].get(), "x", "the pipe").has_value());
  char byte = 0;
  EXPECT_EQ(read(pipe->first.get(), &byte, 1), 1);
  EXPECT_EQ(receive_packet(pair->second.get(), 100)->bytes, "two");
  pair->first.reset();
  EXPECT_EQ(receive_packet(pair->second.get(), 100)->bytes, "");
}

TEST(Packet, RefusesWhatIsTooLong) {
  auto pair = packet_socket_pair();
  ASSERT_TRUE(pair.has_value());
  ASSERT_TRUE(send_packet(pair->first.get(), "0123456789").has_value());
  EXPECT_EQ(receive_packet(pair->second.get(), 4).error().code(), Code::kTooLarge);
}

// A peer that left with our last packet unread resets the connection; its own last words must still arrive.
TEST(Packet, HearsTheLastWordsOfAPeerThatReset) {
  auto pair = packet_socket_pair();
  ASSERT_TRUE(pair.has_value());
  ASSERT_TRUE(send_packet(pair->first.get(), "never read").has_value());
  ASSERT_TRUE(send_packet(pair->second.get(), "last words").has_value());
  pair->second.reset();
  auto heard = receive_packet(pair->first.get(), 100);
  ASSERT_TRUE(heard.has_value()) << heard.error().message();
  EXPECT_EQ(heard->bytes, "last words");
  EXPECT_EQ(receive_packet(pair->first.get(), 100)->bytes, "");
}

TEST(Packet, ListensBelowALongPath) {
  char name[] = "/tmp/kobuk-packet-XXXXXX";
  ASSERT_NE(mkdtemp(name), nullptr);
  std::string directory = cat(std::string_view(name), '/', std::string(150, 'd'));
  ASSERT_TRUE(make_directories(directory).has_value());
  {
    EXPECT_FALSE(connect_packet(directory, "s").has_value());
    auto listener = listen_packet(directory, "s");
    ASSERT_TRUE(listener.has_value()) << listener.error().message();
    EXPECT_TRUE(connect_packet(directory, "s").has_value());
  }
  EXPECT_FALSE(connect_packet(directory, "s").has_value());
  EXPECT_TRUE(remove_tree(name).has_value());
}

}  // namespace
}  // namespace kobuk::sys
