// The arithmetic of a decode step, compiled once for every kind of vector unit and chosen at run time.
//
// Everything that touches weights, keys or values is one product: rows of activations times *panels*. A panel holds
// kPanel output columns with all their inputs, stored input by input: w[k][column]. Lanes of a vector are columns, so
// that every output is one chain of fused multiply-adds over k in rising order (with int8 weights a chain of such
// chains, one for each scale). The chain does not depend on how many rows share the pass, how panels are dealt out to
// threads, or where a text was cut into steps: that is why a pane's result is bit for bit what it would be alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace flextron::decode {

inline constexpr int kPanel = 32; ///< columns of a panel; also the MLP neurons of a block and the weights of a scale
inline constexpr int kMaxTileRows = 12; ///< activation rows that one pass can hold in registers, on the widest unit

/// How the weights of a panel are stored.
enum class PanelType { Float32, Float16, BFloat16, Int8 };
inline constexpr int kPanelTypes = 4;

/// Bytes of a panel of `inputs` inputs. Int8: groups of kPanel inputs, each the columns' scales (bfloat16) and then
/// [kPanel inputs][kPanel columns] of int8.
std::size_t panelBytes(PanelType type, int inputs);

/// Memory that is read after a product, and asked for line by line while that computes: `pieces` of so many bytes, so
/// far apart. A hint; it may end anywhere.
struct ReadNext {
    const std::byte* begin = nullptr; ///< null: nothing
    std::size_t bytes = 0;
    int pieces = 1;
    std::size_t apart = 0;
};

/// C[r][32 p + j] (+)= sum over k of A[r][k] * W_p[k][j]. The inputs stand in `segments` pieces of equal length: piece
/// s of panel p begins at panels + s * segment_bytes + p * panel_bytes.
struct PanelProduct {
    const float* a = nullptr; ///< A[r][k] = a[k * a_stride + r]: a tile of rows, interleaved
    std::size_t a_stride = 1;
    int rows = 1; ///< 1 .. kernels' tile_rows, and at most a_stride; C needs room for a_stride of them
    const std::byte* panels = nullptr;
    std::size_t panel_bytes = 0;
    int panel_count = 1;
    int segments = 1;
    int segment_length = 0; ///< inputs in a segment
    std::size_t segment_bytes = 0;
    float* c = nullptr;
    std::size_t c_stride = 0; ///< floats from one row of C to the next
    bool accumulate = false;  ///< add to what C holds
    ReadNext next;            ///< not asked for while int8 panels are read
};

enum class Gate { Silu, GeluTanh, GeluErf };

/// One vector unit's functions. Immutable.
struct Kernels {
    const char* target = "";
    int tile_rows = 1; ///< most rows of a tile: what the registers hold
    void (*product[kPanelTypes])(const PanelProduct&) = {};
    /// c[0 .. kPanel) = the sum over k of a[k] times line k of one panel, as four sums that are added at the end: for
    /// the small networks that one row passes through alone. Float32 and Float16 only.
    void (*vector_product[kPanelTypes])(const float* a, const std::byte* panel, int inputs, float* c) = {};
    /// RMSNorm: y = x / sqrt(mean(x^2) + eps) * weight. LayerNorm when `bias` is given.
    void (*norm)(const float* x, const float* weight, const float* bias, float eps, int n, float* y) = nullptr;
    /// y += a + b (b may be null).
    void (*add)(const float* a, const float* b, int n, float* y) = nullptr;
    /// y = act(gate + gate_bias) * (up + up_bias); null `gate`: y = act(up + up_bias). Biases may be null. In place is
    /// allowed.
    void (*activate)(Gate kind, const float* gate, const float* gate_bias, const float* up, const float* up_bias, int n,
                     float* y) = nullptr;
    /// Softmax of scores[begin .. end) times `scale`, written to shares[i * stride]; shares before `begin` and from
    /// `end` up to `n` are set to 0. `scores` is changed.
    void (*softmax)(float* scores, int begin, int end, int n, float scale, float* shares, std::size_t stride) = nullptr;
    /// To Float16 (at most its largest number) or BFloat16, rounded to nearest, ties to even. `y` may be `x`.
    void (*narrow)(PanelType type, const float* x, int n, std::uint16_t* y) = nullptr;
    /// Rotates pairs (i, i + half) of x by the angles with these cosines and sines.
    void (*rotate)(float* x, const float* cosines, const float* sines, int half) = nullptr;
};

/// The best that this processor has.
const Kernels& bestKernels();
/// Names of all that were built and this processor can run, best first.
std::vector<std::string> kernelTargets();
/// By name; throws Failure(InvalidArgument) for one that is not there. For tests: not to be called while others ask.
const Kernels& kernelsFor(const std::string& target);

} // namespace flextron::decode
