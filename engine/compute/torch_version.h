#pragma once

#include <string>

namespace flextron {

/// The LibTorch that runs in this process, e.g. "2.11.0", and the CPU instructions it chose, e.g. "AVX2".
[[nodiscard]] std::string torchVersion();
[[nodiscard]] std::string torchCpuCapability();

/// A matrix product of ones; returns the sum of the result (rows * inner * columns). Tells that LibTorch works.
[[nodiscard]] double torchSelfTest(int rows, int inner, int columns);

} // namespace flextron
