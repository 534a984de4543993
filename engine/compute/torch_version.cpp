#include "engine/compute/torch_version.h"

#include <ATen/ATen.h>
#include <ATen/Version.h>
#include <torch/headeronly/version.h>

namespace flextron {

std::string torchVersion()
{
    return TORCH_VERSION;
}

std::string torchCpuCapability()
{
    return at::get_cpu_capability();
}

double torchSelfTest(int rows, int inner, int columns)
{
    return at::matmul(at::ones({rows, inner}), at::ones({inner, columns})).sum().item<double>();
}

} // namespace flextron
