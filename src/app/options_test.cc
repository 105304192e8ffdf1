#include "app/options.h"

#include <gtest/gtest.h>

namespace kobuk::app {
namespace {

struct Parsed {
  std::string profile = "default";
  int64_t cpus = 0;
  bool wait = false;
  std::vector<std::string> mirrors;
  Options options{"kobuk start", "Start a cluster"};
  Parsed() {
    options.text("profile", 'p', "NAME", "which cluster", &profile);
    options.number("cpus", 0, "N", "cores of the node", &cpus);
    options.flag("wait", 'w', "wait until ready", &wait);
    options.list("mirror", 0, "URL", "registry mirror", &mirrors);
    options.example("kobuk start --cpus=2");
  }
};

TEST(Options, EveryFormOfAValue) {
  Parsed p;
  auto rest = p.options.parse({"--profile", "a", "--cpus=2", "-w", "x", "--mirror", "m1", "--mirror=m2", "--", "-y"});
  ASSERT_TRUE(rest);
  EXPECT_EQ(p.profile, "a");
  EXPECT_EQ(p.cpus, 2);
  EXPECT_TRUE(p.wait);
  EXPECT_EQ(p.mirrors, (std::vector<std::string>{"m1", "m2"}));
  EXPECT_EQ(*rest, (std::vector<std::string>{"x", "-y"}));
  Parsed q;
  ASSERT_TRUE(q.options.parse({"-wpb", "--wait=false"}));
  EXPECT_EQ(q.profile, "b");
  EXPECT_FALSE(q.wait);
}

TEST(Options, ErrorsNameTheRemedy) {
  Parsed p;
  EXPECT_EQ(p.options.parse({"--cpu=2"}).error().message(),
            "unknown option --cpu, did you mean --cpus? See 'kobuk start --help'");
  EXPECT_EQ(p.options.parse({"--cpus", "two"}).error().message(), "--cpus takes a whole number, not \"two\"");
  EXPECT_EQ(p.options.parse({"--profile"}).error().message(), "--profile needs a value: --profile NAME");
  EXPECT_FALSE(p.options.parse({"-x"}));
  EXPECT_FALSE(p.options.parse({"--wait=maybe"}));
}

TEST(Options, HandsTheRestOnUntouched) {
  Parsed p;
  p.options.stop_at_first_argument();
  auto rest = p.options.parse({"-p", "a", "run", "-d", "--name", "x"});
  ASSERT_TRUE(rest);
  EXPECT_EQ(*rest, (std::vector<std::string>{"run", "-d", "--name", "x"}));
}

TEST(Options, HelpListsWhatThereIs) {
  Parsed p;
  ASSERT_TRUE(p.options.parse({"--help"}));
  EXPECT_TRUE(p.options.help_wanted());
  EXPECT_EQ(p.options.help(),
            "Start a cluster\n\nUsage:\n  kobuk start [options]\n\nOptions:\n"
            "  -p, --profile NAME   which cluster\n"
            "      --cpus N         cores of the node\n"
            "  -w, --wait           wait until ready\n"
            "      --mirror URL     registry mirror\n\nExamples:\n  kobuk start --cpus=2\n");
}

TEST(Nearest, ASwapIsOneEdit) {
  EXPECT_EQ(nearest("stroe", {"stop", "store"}), "store");
  EXPECT_EQ(nearest("stpo", {"store", "stop"}), "stop");
  EXPECT_EQ(nearest("sto", {"stop"}), "stop");
  EXPECT_EQ(nearest("xyz", {"stop", "store"}), "");
}

}  // namespace
}  // namespace kobuk::app
