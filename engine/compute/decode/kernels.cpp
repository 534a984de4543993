// Products of rows and panels. Included once for every vector unit by Highway's foreach_target.
#include "engine/compute/decode/kernels_p.h"

#include "engine/base/error.h"
#include "engine/compute/decode/targets_p.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/compute/decode/kernels.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h> // IWYU pragma: keep
#include <hwy/highway.h>

#include "engine/compute/decode/rows_p.h"

HWY_BEFORE_NAMESPACE();
namespace flextron::decode::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using DF = hn::ScalableTag<float>;
using V = hn::Vec<DF>;
constexpr DF kF;
constexpr int kLanes = static_cast<int>(hn::MaxLanes(DF()));
constexpr int kPanelVectors = kPanel / kLanes;
constexpr int kRegisters = HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_NEON ? 32 : 16;

/// How many inputs ahead of its use a line of weights is asked for: at the end of a piece the next one, which the
/// hardware cannot guess. Within a piece the hardware looks ahead better than we would for a single row: asking there
/// too took a sixth off the speed of a Zen 4. More rows take their time, and then it helps a little.
constexpr int kInputsAhead = 32;

/// Bytes from where an input near the end of a piece stands to what is asked for then: the start of the same panel's
/// next segment, or after the last one of the panel that will be read in its place.
HWY_INLINE std::ptrdiff_t jumpAhead(const PanelProduct& g, int segment, int panels, std::size_t input_bytes)
{
    const auto ahead = static_cast<std::size_t>(HWY_MIN(kInputsAhead, g.segment_length)) * input_bytes;
    const auto length = static_cast<std::size_t>(g.segment_length) * input_bytes;
    const auto next = segment + 1 < g.segments ? static_cast<std::ptrdiff_t>(g.segment_bytes)
                                               : panels * static_cast<std::ptrdiff_t>(g.panel_bytes) -
                                                     segment * static_cast<std::ptrdiff_t>(g.segment_bytes);
    return next - static_cast<std::ptrdiff_t>(length - ahead);
}

/// What is left to ask for of what is read next, spread evenly over the inputs of all passes of a product.
class NextLines {
public:
    HWY_INLINE NextLines(const ReadNext& next, int inputs)
        : at_(next.begin)
        , end_(next.begin + next.bytes)
        , pieces_(next.pieces)
        , apart_(next.apart)
        , each_(next.begin ? (static_cast<int>(next.bytes / kLine) + inputs - 1) / HWY_MAX(1, inputs) : 0)
    {
    }
    [[nodiscard]] HWY_INLINE bool any() const { return each_ > 0; }
    HWY_INLINE void ask()
    {
        for (int i = 0; i < each_ && at_ < end_; ++i, at_ += kLine)
            for (int p = 0; p < pieces_; ++p) askIntoL2(at_ + static_cast<std::size_t>(p) * apart_);
    }

private:
    /// The L1 is full of what is being read: there these lines would push out each other.
    static HWY_INLINE void askIntoL2(const std::byte* line) { __builtin_prefetch(line, 0, 2); }

    static constexpr std::size_t kLine = 64; // bytes
    const std::byte* at_;
    const std::byte* end_;
    int pieces_;
    std::size_t apart_;
    int each_; // lines for an input of a pass
};

/// Readers of one vector of weights: `at(k, v)` is vector v of input k of a panel.
struct ReadFloat32 {
    static constexpr std::size_t kBytes = 4;
    const std::byte* panel;
    HWY_INLINE V at(int k, int v) const
    {
        return hn::Load(kF, reinterpret_cast<const float*>(panel) + k * kPanel + v * kLanes);
    }
};
struct ReadFloat16 {
    static constexpr std::size_t kBytes = 2;
    const std::byte* panel;
    HWY_INLINE V at(int k, int v) const
    {
        const hn::Rebind<hwy::float16_t, DF> d16;
        return hn::PromoteTo(kF,
                             hn::Load(d16, reinterpret_cast<const hwy::float16_t*>(panel) + k * kPanel + v * kLanes));
    }
};
struct ReadBFloat16 {
    static constexpr std::size_t kBytes = 2;
    const std::byte* panel;
    HWY_INLINE V at(int k, int v) const
    {
        const hn::Rebind<hwy::bfloat16_t, DF> d16;
        return hn::PromoteTo(kF,
                             hn::Load(d16, reinterpret_cast<const hwy::bfloat16_t*>(panel) + k * kPanel + v * kLanes));
    }
};

struct ReadInt8 {
    static constexpr std::size_t kBytes = 1;
};

constexpr std::size_t kScaleBytes = kPanel * sizeof(std::uint16_t);
constexpr std::size_t kGroupBytes = kScaleBytes + kPanel * kPanel;

/// sum[r][i] += weight(i) * a[r]. The shorter side waits in registers: sixteen of them hold no more than that.
template <int R, int N, class Weight>
HWY_INLINE void multiplyAdd(V (&sum)[R][N], const float* HWY_RESTRICT a, const Weight& weight)
{
    if constexpr (R < N) {
        V x[R];
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) x[r] = hn::Set(kF, a[r]);
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) {
            const V w = weight(i);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) sum[r][i] = hn::MulAdd(w, x[r], sum[r][i]);
        }
    } else {
        V w[N];
#pragma GCC unroll 16
        for (int i = 0; i < N; ++i) w[i] = weight(i);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const V x = hn::Set(kF, a[r]);
#pragma GCC unroll 16
            for (int i = 0; i < N; ++i) sum[r][i] = hn::MulAdd(w[i], x, sum[r][i]);
        }
    }
}

/// One pass: R rows and NV adjacent vectors of each of NP panels, all sums in registers.
template <class Read, int R, int NP, int NV>
HWY_INLINE void strip(const PanelProduct& g, const std::byte* panels, int vector, float* HWY_RESTRICT c,
                      NextLines& next)
{
    V sum[R][NP * NV];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int i = 0; i < NP * NV; ++i)
            sum[r][i] = g.accumulate ? hn::LoadU(kF, c + r * g.c_stride + (i / NV) * kPanel + (i % NV) * kLanes)
                                     : hn::Zero(kF);
    const float* HWY_RESTRICT a = g.a;
    const std::size_t a_stride = g.a_stride;
    for (int s = 0; s < g.segments; ++s, panels += g.segment_bytes) {
        const std::byte* panel[NP];
#pragma GCC unroll 16
        for (int p = 0; p < NP; ++p) panel[p] = panels + p * g.panel_bytes;
        const auto step = [&](int k) HWY_ATTR {
            multiplyAdd<R, NP * NV>(sum, a, [&](int i) HWY_ATTR { return Read{panel[i / NV]}.at(k, vector + i % NV); });
            a += a_stride;
        };
        const auto ask = [&](int k, std::ptrdiff_t ahead) HWY_ATTR {
            ahead += static_cast<std::ptrdiff_t>(k * kPanel * Read::kBytes);
#pragma GCC unroll 16
            for (int p = 0; p < NP; ++p)
                for (std::size_t line = 0; line < kPanel * Read::kBytes; line += 64)
                    hwy::Prefetch(panel[p] + ahead + line);
        };
        int k = 0;
        if (next.any())
            for (; k < g.segment_length - kInputsAhead; ++k) {
                next.ask();
                step(k);
            }
        for (; k < g.segment_length - kInputsAhead; ++k) {
            if constexpr (R > 1) ask(k, kInputsAhead * kPanel * Read::kBytes);
            step(k);
        }
        for (const std::ptrdiff_t jump = jumpAhead(g, s, NP, kPanel * Read::kBytes); k < g.segment_length; ++k) {
            ask(k, jump);
            next.ask();
            step(k);
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
        for (int i = 0; i < NP * NV; ++i)
            hn::StoreU(sum[r][i], kF, c + r * g.c_stride + (i / NV) * kPanel + (i % NV) * kLanes);
}

/// The same for weights of a byte. The inputs that share a scale are summed first, so that it is multiplied in once for
/// all of them; C holds the sum of these sums.
template <int R, int NP, int NV>
HWY_INLINE void stripInt8(const PanelProduct& g, const std::byte* panels, int vector, float* HWY_RESTRICT c)
{
    const hn::Rebind<hwy::bfloat16_t, DF> d16;
    const hn::Rebind<std::int8_t, DF> d8;
    const hn::Rebind<std::int32_t, DF> d32;
    const float* HWY_RESTRICT a = g.a;
    const std::size_t a_stride = g.a_stride;
    bool accumulate = g.accumulate;
    for (int s = 0; s < g.segments; ++s, panels += g.segment_bytes) {
        const std::byte* group = panels;
        const std::ptrdiff_t jump = jumpAhead(g, s, NP, kGroupBytes / kPanel);
        for (int begin = 0; begin < g.segment_length; begin += kPanel, group += kGroupBytes) {
            const int inputs = HWY_MIN(kPanel, g.segment_length - begin);
            const bool last = begin + kPanel >= g.segment_length;
            V sum[R][NP * NV];
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r)
#pragma GCC unroll 16
                for (int i = 0; i < NP * NV; ++i) sum[r][i] = hn::Zero(kF);
            for (int k = 0; k < inputs; ++k, a += a_stride)
                multiplyAdd<R, NP * NV>(sum, a, [&](int i) HWY_ATTR {
                    const std::byte* line = group + (i / NV) * g.panel_bytes + kScaleBytes + k * kPanel;
                    if (last && i % NV == 0) hwy::Prefetch(line + jump);
                    const auto bytes = hn::Load(d8, reinterpret_cast<const std::int8_t*>(line) +
                                                        (vector + i % NV) * kLanes);
                    return hn::ConvertTo(kF, hn::PromoteTo(d32, bytes));
                });
#pragma GCC unroll 16
            for (int i = 0; i < NP * NV; ++i) {
                const V scale = hn::PromoteTo(
                    kF, hn::Load(d16, reinterpret_cast<const hwy::bfloat16_t*>(group + (i / NV) * g.panel_bytes) +
                                          (vector + i % NV) * kLanes));
#pragma GCC unroll 16
                for (int r = 0; r < R; ++r) {
                    float* to = c + r * g.c_stride + (i / NV) * kPanel + (i % NV) * kLanes;
                    hn::StoreU(accumulate ? hn::MulAdd(sum[r][i], scale, hn::LoadU(kF, to)) : hn::Mul(sum[r][i], scale),
                               kF, to);
                }
            }
            accumulate = true;
        }
    }
}

template <class Read, int R, int NP, int NV>
HWY_INLINE void pass(const PanelProduct& g, int panel, [[maybe_unused]] NextLines& next)
{
    const std::byte* panels = g.panels + static_cast<std::size_t>(panel) * g.panel_bytes;
    float* c = g.c + panel * kPanel;
    for (int v = 0; v < kPanelVectors; v += NV) {
        if constexpr (Read::kBytes == 1) stripInt8<R, NP, NV>(g, panels, v, c + v * kLanes);
        else strip<Read, R, NP, NV>(g, panels, v, c + v * kLanes, next);
    }
}

/// Vectors of a panel that R rows can keep the sums of: a whole panel, or a part of it read in several passes.
constexpr int vectorsFor(int rows)
{
    int vectors = kPanelVectors;
    while (vectors > 1 && rows * vectors > kRegisters * 3 / 4) vectors /= 2;
    return vectors;
}
/// Panels at once: enough independent sums to hide the latency of a multiply-add, as registers allow.
constexpr int panelsFor(int rows)
{
    if (vectorsFor(rows) < kPanelVectors) return 1;
    int panels = 4;
    while (panels > 1 && rows * panels * kPanelVectors > (rows < 4 ? kRegisters / 2 : kRegisters * 3 / 4)) panels /= 2;
    return panels;
}

template <class Read, int R> HWY_NOINLINE void productOfRows(const PanelProduct& g)
{
    constexpr int kAtOnce = panelsFor(R);
    constexpr int kVectors = vectorsFor(R);
    constexpr int kParts = kPanelVectors / kVectors; // of a panel, a pass each
    NextLines next(g.next, kParts * (g.panel_count + kAtOnce - 1) / kAtOnce * g.segments * g.segment_length);
    int panel = 0;
    for (; panel + kAtOnce <= g.panel_count; panel += kAtOnce) pass<Read, R, kAtOnce, kVectors>(g, panel, next);
    if constexpr (kAtOnce > 2)
        for (; panel + 2 <= g.panel_count; panel += 2) pass<Read, R, 2, kVectors>(g, panel, next);
    if constexpr (kAtOnce > 1)
        for (; panel < g.panel_count; ++panel) pass<Read, R, 1, kVectors>(g, panel, next);
}

constexpr int kTileRows = kRegisters * 3 / 4 / HWY_MIN(2, kPanelVectors);

template <class Read> void product(const PanelProduct& g)
{
    switch (g.rows) {
    case 1: return productOfRows<Read, 1>(g);
    case 2: return productOfRows<Read, 2>(g);
    case 3: return productOfRows<Read, 3>(g);
    case 4: return productOfRows<Read, 4>(g);
    case 5: return productOfRows<Read, 5>(g);
    case 6: return productOfRows<Read, 6>(g);
    default: break;
    }
    if constexpr (kTileRows > 6) {
        // A row too many costs less than one more function: the tile has it, and nobody looks at what comes out.
        if (g.rows <= 8 && g.a_stride >= 8) return productOfRows<Read, 8>(g);
        return productOfRows<Read, 12>(g);
    }
}

template <class Read> void vectorProduct(const float* a, const std::byte* panel, int inputs, float* c)
{
    constexpr int kSums = 4;
    const Read read{panel};
    V sum[kSums][kPanelVectors];
    for (auto& part : sum)
        for (V& v : part) v = hn::Zero(kF);
    const auto step = [&](int k, V(&part)[kPanelVectors]) HWY_ATTR {
        const V x = hn::Set(kF, a[k]);
#pragma GCC unroll 16
        for (int v = 0; v < kPanelVectors; ++v) part[v] = hn::MulAdd(read.at(k, v), x, part[v]);
    };
    int k = 0;
    for (; k + kSums <= inputs; k += kSums) {
#pragma GCC unroll 4
        for (int i = 0; i < kSums; ++i) step(k + i, sum[i]);
    }
    for (; k < inputs; ++k) step(k, sum[0]);
    for (int v = 0; v < kPanelVectors; ++v)
        hn::StoreU(hn::Add(hn::Add(sum[0][v], sum[1][v]), hn::Add(sum[2][v], sum[3][v])), kF, c + v * kLanes);
}

const Kernels* table()
{
    static const Kernels kernels = [] {
        Kernels k;
        k.target = hwy::TargetName(HWY_TARGET);
        k.tile_rows = kTileRows;
        k.product[static_cast<int>(PanelType::Float32)] = &product<ReadFloat32>;
        k.product[static_cast<int>(PanelType::Float16)] = &product<ReadFloat16>;
        k.product[static_cast<int>(PanelType::BFloat16)] = &product<ReadBFloat16>;
        k.product[static_cast<int>(PanelType::Int8)] = &product<ReadInt8>;
        k.vector_product[static_cast<int>(PanelType::Float32)] = &vectorProduct<ReadFloat32>;
        k.vector_product[static_cast<int>(PanelType::Float16)] = &vectorProduct<ReadFloat16>;
        addRowFunctions(k);
        return k;
    }();
    return &kernels;
}

} // namespace flextron::decode::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace flextron::decode {

HWY_EXPORT(table);

std::size_t panelBytes(PanelType type, int inputs)
{
    const auto n = static_cast<std::size_t>(inputs);
    switch (type) {
    case PanelType::Float32: return n * kPanel * 4;
    case PanelType::Float16:
    case PanelType::BFloat16: return n * kPanel * 2;
    case PanelType::Int8: return (n + kPanel - 1) / kPanel * kPanel * (kPanel + sizeof(std::uint16_t));
    }
    return 0;
}

const Kernels& bestKernels()
{
    return *HWY_DYNAMIC_DISPATCH(table)();
}

std::vector<std::string> kernelTargets()
{
    std::vector<std::string> names;
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) names.push_back(hwy::TargetName(target));
    return names;
}

const Kernels& kernelsFor(const std::string& name)
{
    for (const std::int64_t target : hwy::SupportedAndGeneratedTargets()) {
        if (name != hwy::TargetName(target)) continue;
        hwy::SetSupportedTargetsForTest(target);
        hwy::GetChosenTarget().Update(hwy::SupportedTargets());
        const Kernels& kernels = bestKernels();
        hwy::SetSupportedTargetsForTest(0);
        hwy::GetChosenTarget().Update(hwy::SupportedTargets());
        return kernels;
    }
    throw Failure(ErrorCode::InvalidArgument, "no code for the vector unit \"" + name + "\" runs on this processor");
}

} // namespace flextron::decode
#endif
