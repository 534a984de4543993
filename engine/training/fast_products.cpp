#include "engine/training/fast_products_p.h"

#include <ATen/ATen.h>

#include <ATen/CPUGeneratorImpl.h>

namespace flextron {
namespace {

constexpr double kExact = 4; // times the usual product's error: another order of sums, but no shorter numbers

void allow(at::Float32MatmulPrecision precision)
{
    const char* const names[] = {"highest", "high", "medium"};
    at::globalContext().setFloat32MatmulPrecision(names[static_cast<int>(precision)]);
}

/// Largest error of a product of the kind that training does, for the kernels now in use.
double errorNow()
{
    at::Generator generator = at::detail::createCPUGenerator(1);
    const at::Tensor a = at::randn({256, 512}, generator), b = at::randn({512, 256}, generator);
    return (at::mm(a, b).to(at::kDouble) - at::mm(a.to(at::kDouble), b.to(at::kDouble))).abs().max().item<double>();
}

} // namespace

FastProducts::FastProducts() : before_(at::globalContext().float32MatmulPrecision())
{
    const at::NoGradGuard no_graph;
    const double usual = errorNow();
    allow(at::Float32MatmulPrecision::MEDIUM);
    used_ = errorNow() <= kExact * usual;
    if (!used_) allow(before_);
}

FastProducts::~FastProducts()
{
    allow(before_);
}

UsualProducts::UsualProducts() : before_(at::globalContext().float32MatmulPrecision())
{
    allow(at::Float32MatmulPrecision::HIGHEST);
}

UsualProducts::~UsualProducts()
{
    allow(before_);
}

} // namespace flextron
