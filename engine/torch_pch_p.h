#pragma once

// The precompiled header of every file that includes LibTorch: tensors, their operators and autograd, without
// torch::nn and torch::data, which nothing here uses.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/generated/variable_factories.h>
#include <torch/csrc/autograd/grad_mode.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>
