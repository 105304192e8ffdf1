#include "api/quantity.h"

#include <gtest/gtest.h>

namespace kobuk::api {
namespace {

std::string canonical(std::string_view text) {
  auto q = Quantity::parse(text);
  return q ? q->text() : "error";
}

TEST(Quantity, CanonicalForm) {
  EXPECT_EQ(canonical("0"), "0");
  EXPECT_EQ(canonical("100m"), "100m");
  EXPECT_EQ(canonical("0.5"), "500m");
  EXPECT_EQ(canonical("1000m"), "1");
  EXPECT_EQ(canonical("1.5Gi"), "1536Mi");
  EXPECT_EQ(canonical("1024Mi"), "1Gi");
  EXPECT_EQ(canonical("1Ki"), "1Ki");
  EXPECT_EQ(canonical("1000"), "1k");
  EXPECT_EQ(canonical("128974848"), "128974848");
  EXPECT_EQ(canonical("129e6"), "129e6");
  EXPECT_EQ(canonical("-1.5"), "-1500m");
  EXPECT_EQ(canonical("0.1Ki"), "102400m");
  EXPECT_EQ(canonical("+5"), "5");
  EXPECT_EQ(canonical(".5"), "500m");
  EXPECT_EQ(canonical("1E"), "1E");
  EXPECT_EQ(canonical("1E3"), "1e3");
  EXPECT_EQ(canonical("0.2Ei"), "230584300921369395200m") << "found by fuzzing";
}

TEST(Quantity, Amounts) {
  EXPECT_EQ(Quantity::parse("100m")->value(), 1) << "rounded up";
  EXPECT_EQ(Quantity::parse("100m")->milli(), 100);
  EXPECT_EQ(Quantity::parse("1.5Gi")->value(), 1610612736);
  EXPECT_EQ(Quantity::parse("9Ei")->value(), INT64_MAX) << "capped";
  EXPECT_EQ(Quantity::parse("0.1n")->text(), "1n") << "rounded up to the smallest amount";
  EXPECT_EQ(Quantity::parse("99999999999999999999999999999999999999999")->value(), INT64_MAX);
}

TEST(Quantity, ArithmeticAndOrder) {
  EXPECT_EQ((*Quantity::parse("1Gi") + *Quantity::parse("512Mi")).text(), "1536Mi");
  EXPECT_EQ((*Quantity::parse("1") - *Quantity::parse("1500m")).text(), "-500m");
  EXPECT_LT(*Quantity::parse("999m"), *Quantity::parse("1"));
  EXPECT_EQ(*Quantity::parse("1024"), *Quantity::parse("1Ki"));
}

TEST(Quantity, RefusesWhatIsNone) {
  for (auto text : {"", "x", "1 Gi", "1gi", "1.2.3", "1e", "1e1.5", "Gi", "-", "1KiB", "0x10"}) {
    EXPECT_FALSE(Quantity::parse(text)) << text;
  }
}

}  // namespace
}  // namespace kobuk::api
