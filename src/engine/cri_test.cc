// The CRI in this process and over its socket: one contract.
#include "engine/testing/cri_contract.h"

namespace kobuk::engine::testing {

std::string way_name(const ::testing::TestParamInfo<CriWay>& info) { return info.param == CriWay::kSocket ? "Socket" : "InProcess"; }
INSTANTIATE_TEST_SUITE_P(Cri, CriContract, ::testing::Values(CriWay::kInProcess, CriWay::kSocket), way_name);

}  // namespace kobuk::engine::testing
