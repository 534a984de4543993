// What happens to one row of activations between products: norms, activations, softmax, rotation.
//
// Included once for every vector unit by kernels.cpp, so the guard toggles instead of closing.
#if defined(FLEXTRON_DECODE_ROWS_P_H) == defined(HWY_TARGET_TOGGLE)
#ifdef FLEXTRON_DECODE_ROWS_P_H
#undef FLEXTRON_DECODE_ROWS_P_H
#else
#define FLEXTRON_DECODE_ROWS_P_H
#endif

#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include "engine/base/half.h"
#include "engine/compute/decode/kernels_p.h"

HWY_BEFORE_NAMESPACE();
namespace flextron::decode::HWY_NAMESPACE {
namespace rows {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using V = hn::Vec<DF>;
constexpr DF kF;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(DF()));

/// Elements that whole vectors cover; the rest is done one by one.
HWY_INLINE int wholeVectors(int n)
{
    return n / kLanes * kLanes;
}

/// Sum over i of term(x[i]), where the term is given for vectors and for single numbers.
template <class VectorTerm, class Term>
HWY_INLINE float sumOf(const float* HWY_RESTRICT x, int n, VectorTerm vector_term, Term term)
{
    V sum0 = hn::Zero(kF), sum1 = hn::Zero(kF);
    const int whole = wholeVectors(n);
    int i = 0;
    for (; i + 2 * kLanes <= whole; i += 2 * kLanes) {
        sum0 = hn::Add(sum0, vector_term(hn::LoadU(kF, x + i)));
        sum1 = hn::Add(sum1, vector_term(hn::LoadU(kF, x + i + kLanes)));
    }
    for (; i < whole; i += kLanes) sum0 = hn::Add(sum0, vector_term(hn::LoadU(kF, x + i)));
    float sum = hn::GetLane(hn::SumOfLanes(kF, hn::Add(sum0, sum1)));
    for (; i < n; ++i) sum += term(x[i]);
    return sum;
}

void norm(const float* x, const float* weight, const float* bias, float eps, int n, float* y)
{
    const auto count = static_cast<float>(n);
    const float mean = bias ? sumOf(
                                  x, n, [](V v) HWY_ATTR { return v; }, [](float v) { return v; }) /
                                  count
                            : 0.0f;
    const V means = hn::Set(kF, mean);
    const float squares = sumOf(
        x, n,
        [means](V v) HWY_ATTR {
            const V centred = hn::Sub(v, means);
            return hn::Mul(centred, centred);
        },
        [mean](float v) { return (v - mean) * (v - mean); });
    const float scale = 1.0f / std::sqrt(squares / count + eps);
    const V scales = hn::Set(kF, scale);
    const int whole = wholeVectors(n);
    for (int i = 0; i < whole; i += kLanes) {
        const V centred = hn::Mul(hn::Sub(hn::LoadU(kF, x + i), means), scales);
        const V weights = hn::LoadU(kF, weight + i);
        hn::StoreU(bias ? hn::MulAdd(centred, weights, hn::LoadU(kF, bias + i)) : hn::Mul(centred, weights), kF, y + i);
    }
    for (int i = whole; i < n; ++i) y[i] = (x[i] - mean) * scale * weight[i] + (bias ? bias[i] : 0.0f);
}

void add(const float* a, const float* b, int n, float* y)
{
    const int whole = wholeVectors(n);
    for (int i = 0; i < whole; i += kLanes) {
        V term = hn::LoadU(kF, a + i);
        if (b) term = hn::Add(term, hn::LoadU(kF, b + i));
        hn::StoreU(hn::Add(hn::LoadU(kF, y + i), term), kF, y + i);
    }
    for (int i = whole; i < n; ++i) y[i] += b ? a[i] + b[i] : a[i];
}

HWY_INLINE V silu(V x)
{
    return hn::Div(x, hn::Add(hn::Set(kF, 1.0f), hn::Exp(kF, hn::Neg(x))));
}

/// 0.5 x (1 + tanh(u)) = x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3). Source: Hendrycks and Gimpel, 2016.
HWY_INLINE V geluTanh(V x)
{
    const V cube = hn::Mul(hn::Mul(x, x), x);
    const V inner = hn::Mul(hn::MulAdd(hn::Set(kF, 0.044715f), cube, x), hn::Set(kF, 2.0f * 0.7978845608f));
    return hn::Div(x, hn::Add(hn::Set(kF, 1.0f), hn::Exp(kF, hn::Neg(inner))));
}

template <Gate kKind> HWY_INLINE V act(V x)
{
    if constexpr (kKind == Gate::Silu) return silu(x);
    if constexpr (kKind == Gate::GeluTanh) return geluTanh(x);
    // No vector form of erf is at hand; the models that want it are small.
    HWY_ALIGN float lanes[kLanes];
    hn::Store(x, kF, lanes);
    for (float& v : lanes) v = 0.5f * v * (1.0f + std::erf(v * 0.70710678f));
    return hn::Load(kF, lanes);
}

/// Precondition: n is a multiple of the lanes.
template <Gate kKind>
HWY_INLINE void activateAs(const float* gate, const float* gate_bias, const float* up, const float* up_bias, int n,
                           float* y)
{
    for (int i = 0; i < n; i += kLanes) {
        V u = hn::LoadU(kF, up + i);
        if (up_bias) u = hn::Add(u, hn::LoadU(kF, up_bias + i));
        if (!gate) {
            hn::StoreU(act<kKind>(u), kF, y + i);
            continue;
        }
        V g = hn::LoadU(kF, gate + i);
        if (gate_bias) g = hn::Add(g, hn::LoadU(kF, gate_bias + i));
        hn::StoreU(hn::Mul(act<kKind>(g), u), kF, y + i);
    }
}

void activate(Gate kind, const float* gate, const float* gate_bias, const float* up, const float* up_bias, int n,
              float* y)
{
    switch (kind) {
    case Gate::Silu: return activateAs<Gate::Silu>(gate, gate_bias, up, up_bias, n, y);
    case Gate::GeluTanh: return activateAs<Gate::GeluTanh>(gate, gate_bias, up, up_bias, n, y);
    case Gate::GeluErf: return activateAs<Gate::GeluErf>(gate, gate_bias, up, up_bias, n, y);
    }
}

/// Places are summed in the lanes that their positions in the text name, whole vectors at a time; those outside
/// [begin, end) count as 0. So the sum does not depend on where a step began or on what stands around the row.
void softmax(float* scores, int begin, int end, int n, float scale, float* shares, std::size_t stride)
{
    const int first = begin / kLanes * kLanes;
    const int last = (end + kLanes - 1) / kLanes * kLanes; // scores have room for whole panels
    constexpr float kHidden = -INFINITY;
    for (int i = first; i < begin; ++i) scores[i] = kHidden;
    for (int i = end; i < last; ++i) scores[i] = kHidden;
    V most = hn::Set(kF, kHidden);
    for (int i = first; i < last; i += kLanes) most = hn::Max(most, hn::LoadU(kF, scores + i));
    const V top = hn::Set(kF, hn::GetLane(hn::MaxOfLanes(kF, most)));
    const V scales = hn::Set(kF, scale);
    const V least = hn::Set(kF, -100.0f); // e^-100 is 0 in float beside e^0, and Exp does not take -infinity
    V sum = hn::Zero(kF);
    for (int i = first; i < last; i += kLanes) {
        const V score = hn::LoadU(kF, scores + i);
        const V raised = hn::Exp(kF, hn::Max(hn::Mul(hn::Sub(score, top), scales), least));
        const V seen = hn::IfThenElseZero(hn::Gt(score, hn::Set(kF, kHidden)), raised);
        hn::StoreU(seen, kF, scores + i);
        sum = hn::Add(sum, seen);
    }
    const float over = 1.0f / hn::GetLane(hn::SumOfLanes(kF, sum));
    for (int i = 0; i < begin; ++i) shares[static_cast<std::size_t>(i) * stride] = 0.0f;
    int next = begin;
    if (stride == 1) // one row alone: its shares stand together
        for (; next + kLanes <= end; next += kLanes)
            hn::StoreU(hn::Mul(hn::LoadU(kF, scores + next), hn::Set(kF, over)), kF, shares + next);
    for (; next < end; ++next) shares[static_cast<std::size_t>(next) * stride] = scores[next] * over;
    for (int i = end; i < n; ++i) shares[static_cast<std::size_t>(i) * stride] = 0.0f;
}

void narrow(PanelType type, const float* x, int n, std::uint16_t* y)
{
    constexpr float kMost = 65504.0f;
    const bool half = type == PanelType::Float16;
    const int whole = HWY_TARGET == HWY_SCALAR ? 0 : wholeVectors(n); // there Highway cuts off instead of rounding
    const hn::Rebind<std::uint16_t, DF> d16;
    const hn::RebindToUnsigned<DF> d32;
    for (int i = 0; i < whole; i += kLanes) {
        const V v = hn::LoadU(kF, x + i);
        if (half) {
            const hn::Rebind<hwy::float16_t, DF> dh;
            const auto limited = hn::Max(hn::Set(kF, -kMost), hn::Min(hn::Set(kF, kMost), v));
            hn::StoreU(hn::BitCast(d16, hn::DemoteTo(dh, limited)), d16, y + i);
            continue;
        }
        // Half of the last bit that stays, less one where that bit is 0: ties go to even.
        const auto bits = hn::BitCast(d32, v);
        const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1));
        const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7fff))));
        hn::StoreU(hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<decltype(d32)>(), rounded)), d16, y + i);
    }
    for (int i = whole; i < n; ++i)
        y[i] = half ? floatToFloat16(std::clamp(x[i], -kMost, kMost)) : floatToBfloat16(x[i]);
}

void rotate(float* x, const float* cosines, const float* sines, int half)
{
    const auto turn = [&](int i) {
        const float a = x[i], b = x[half + i];
        x[i] = a * cosines[i] - b * sines[i];
        x[half + i] = b * cosines[i] + a * sines[i];
    };
    const int whole = wholeVectors(half);
    for (int i = 0; i < whole; i += kLanes) {
        const V a = hn::LoadU(kF, x + i), b = hn::LoadU(kF, x + half + i);
        const V c = hn::LoadU(kF, cosines + i), s = hn::LoadU(kF, sines + i);
        hn::StoreU(hn::NegMulAdd(b, s, hn::Mul(a, c)), kF, x + i);
        hn::StoreU(hn::MulAdd(a, s, hn::Mul(b, c)), kF, x + half + i);
    }
    for (int i = whole; i < half; ++i) turn(i);
}

} // namespace rows

inline void addRowFunctions(Kernels& kernels)
{
    kernels.norm = &rows::norm;
    kernels.add = &rows::add;
    kernels.activate = &rows::activate;
    kernels.softmax = &rows::softmax;
    kernels.narrow = &rows::narrow;
    kernels.rotate = &rows::rotate;
}

} // namespace flextron::decode::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
