// What every Store must do, whatever it keeps its bytes in. An implementation's test instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreContract, testing::Values(StoreFactory{"memory", make}));
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "store/store.h"

namespace kobuk::store {

struct StoreFactory {
  std::string name;
  // A new, empty store; `folder` is empty and removed after the test.
  std::function<Result<std::unique_ptr<Store>>(io::Loop& loop, std::string folder)> make;
};

class StoreContract : public testing::TestWithParam<StoreFactory> {
 protected:
  void SetUp() override;
  void TearDown() override;
  TxnResult must(TxnRequest request);
  RangeResult get(KeyRange range, Revision revision = 0, int64_t limit = 0);
  Revision put_text(std::string key, std::string value, LeaseId lease = 0);

  std::string folder_;
  io::Loop loop_;
  std::unique_ptr<Store> store_;
};

}  // namespace kobuk::store
