// From the mapped checkpoint to DecodeWeights: every tensor is read once, converted and put in its places.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "engine/base/half.h"
#include "engine/base/thread_pool_p.h"
#include "engine/compute/decode/panel_pack_p.h"
#include "engine/compute/decode/weights_p.h"
#include "engine/compute/rope_p.h"
#include "engine/model/tensor.h"

namespace flextron::decode {
namespace {

class Packer {
public:
    Packer(const Checkpoint& checkpoint, PanelType type, ThreadPool& pool, const ProgressFn& progress,
           const CancelToken& cancel)
        : checkpoint_(checkpoint)
        , config_(checkpoint.config())
        , type_(type)
        , pool_(pool)
        , progress_(progress)
        , cancel_(cancel)
    {
    }

    DecodeWeights pack()
    {
        const bool gpt = config_.isGpt();
        weights_.type = type_;
        weights_.shape = Shape(config_, type_);
        weights_.memory = Memory(static_cast<std::size_t>(decodeWeightBytes(config_, type_)));
        next_ = weights_.memory.data();
        for (int l = 0; l < config_.numLayers(); ++l) weights_.layers.push_back(packLayer(l));
        const std::string embedding = gpt ? "transformer.wte.weight" : "model.embed_tokens.weight";
        weights_.head = packHead(config_.tie_word_embeddings ? embedding : "lm_head.weight");
        if (!config_.tie_word_embeddings) weights_.embedding = packTable(embedding);
        if (gpt) weights_.positions = packTable("transformer.wpe.weight");
        weights_.final_norm = vector(gpt ? "transformer.ln_f.weight" : "model.norm.weight");
        if (gpt) weights_.final_norm_bias = vector("transformer.ln_f.bias");
        if (!gpt) weights_.rope_frequencies = ropeFrequencies(config_);
        return std::move(weights_);
    }

private:
    const TensorView& open(const std::string& name)
    {
        cancel_.throwIfCancelled();
        const TensorView& view = checkpoint_.tensor(name);
        if (view.dtype != DType::Float32 && view.dtype != DType::Float16 && view.dtype != DType::BFloat16 &&
            view.dtype != DType::Float64)
            throw Failure(ErrorCode::Unsupported,
                          "tensor " + name + " is of type " + std::string(safetensorsName(view.dtype)) +
                              "; weights must be floating point",
                          "quantised checkpoints are not supported: use the float16, bfloat16 or float32 one");
        if (const auto finite = checkFinite(view, name); !finite) {
            Error error = finite.error();
            error.message = checkpoint_.folder().string() + ": " + error.message;
            throw Failure(std::move(error));
        }
        done_ += view.bytes.size();
        if (progress_) progress_({"reading weights", done_, static_cast<std::uint64_t>(checkpoint_.bytes()), "bytes"});
        return view;
    }

    std::vector<float> vector(const std::string& name) { return toFloat(open(name)); }
    std::vector<float> vectorIf(bool wanted, const std::string& name)
    {
        return wanted ? vector(name) : std::vector<float>();
    }

    /// [out, in]; GPT-2's Conv1D weights are stored [in, out].
    Matrix matrix(const std::string& name)
    {
        const TensorView& view = open(name);
        const auto rows = static_cast<int>(view.shape.at(0));
        const auto columns = static_cast<int>(view.shape.at(1));
        current_ = name;
        if (config_.isGpt() && name.find(".h.") != std::string::npos)
            return {view.dtype, view.bytes.data(), 1, static_cast<std::size_t>(columns), columns, rows};
        return {view.dtype, view.bytes.data(), static_cast<std::size_t>(columns), 1, rows, columns};
    }

    std::byte* take(std::size_t bytes)
    {
        std::byte* place = next_;
        next_ += roundUp(bytes, 64);
        return place;
    }

    /// Fills `count` panels; `source(i)` and `place(i)` tell where each comes from and goes.
    template <class Source, class Place> void packPanels(int count, int inputs, Source source, Place place)
    {
        std::atomic<bool> fits{true};
        pool_.forEach(count, [&](int i, int) {
            if (!packPanel(source(i), inputs, type_, place(i))) fits.store(false, std::memory_order_relaxed);
        });
        if (!fits) refuseTooLarge(current_);
    }

    [[noreturn]] void refuseTooLarge(const std::string& name) const
    {
        throw Failure(ErrorCode::InvalidArgument,
                      checkpoint_.folder().string() + ": tensor " + name +
                          " has values too large for the chosen type of weights",
                      "choose --weights f32 or bf16");
    }

    /// Where a layer's parts go.
    struct Places {
        std::byte* queries = nullptr;
        std::byte* kv = nullptr;
        std::byte* output = nullptr;
        std::byte* blocks = nullptr;
        std::byte* down = nullptr;
    };

    LayerWeights packLayer(int index)
    {
        const Shape& shape = weights_.shape;
        LayerWeights layer;
        layer.sizes = config_.layers[static_cast<std::size_t>(index)];
        const auto groups = static_cast<std::size_t>(layer.sizes.num_key_value_heads);
        const auto blocks = static_cast<std::size_t>(roundUp(layer.sizes.intermediate_size, kPanel) / kPanel);
        const auto panels = static_cast<std::size_t>(shape.hidden_panels);
        Places places;
        layer.queries = places.queries = take(static_cast<std::size_t>(layer.sizes.num_attention_heads) *
                                              shape.head_bytes);
        layer.kv = places.kv = take(groups * shape.kv_bytes);
        layer.output = places.output = take(panels * groups * shape.output_piece);
        layer.blocks = places.blocks = take(blocks * shape.block_bytes);
        layer.down = places.down = take(panels * blocks * shape.down_piece);
        const bool gpt = config_.isGpt();
        const std::string prefix = (gpt ? "transformer.h." : "model.layers.") + std::to_string(index) + ".";
        if (groups > 0) {
            layer.attention_norm = vector(prefix + (gpt ? "ln_1.weight" : "input_layernorm.weight"));
            layer.attention_norm_bias = vectorIf(gpt, prefix + "ln_1.bias");
            packAttention(layer, prefix, places);
        }
        if (blocks > 0) {
            layer.mlp_norm = vector(prefix + (gpt ? "ln_2.weight" : "post_attention_layernorm.weight"));
            layer.mlp_norm_bias = vectorIf(gpt, prefix + "ln_2.bias");
            packMlp(layer, prefix, places);
        }
        return layer;
    }

    void packAttention(LayerWeights& layer, const std::string& prefix, const Places& places)
    {
        const int query_rows = layer.sizes.num_attention_heads * config_.head_dim;
        const int kv_rows = layer.sizes.num_key_value_heads * config_.head_dim;
        Matrix q, k, v;
        if (config_.isGpt()) {
            const Matrix fused = matrix(prefix + "attn.c_attn.weight"); // [3 * H*dh, d]
            const std::vector<float> bias = vector(prefix + "attn.c_attn.bias");
            q = fused.from(0, 0, query_rows, fused.ins);
            k = fused.from(query_rows, 0, query_rows, fused.ins);
            v = fused.from(2 * query_rows, 0, query_rows, fused.ins);
            layer.q_bias.assign(bias.begin(), bias.begin() + query_rows);
            layer.k_bias.assign(bias.begin() + query_rows, bias.begin() + 2 * query_rows);
            layer.v_bias.assign(bias.begin() + 2 * query_rows, bias.end());
            packQueriesKeysValues(q, k, v, places);
            packOutput(matrix(prefix + "attn.c_proj.weight"), layer.sizes.num_key_value_heads, places.output);
            layer.o_bias = vector(prefix + "attn.c_proj.bias");
            return;
        }
        const std::string attention = prefix + "self_attn.";
        const bool bias = config_.attention_qkv_bias;
        q = matrix(attention + "q_proj.weight").from(0, 0, query_rows, config_.hidden_size);
        k = matrix(attention + "k_proj.weight").from(0, 0, kv_rows, config_.hidden_size);
        v = matrix(attention + "v_proj.weight").from(0, 0, kv_rows, config_.hidden_size);
        layer.q_bias = vectorIf(bias, attention + "q_proj.bias");
        layer.k_bias = vectorIf(bias, attention + "k_proj.bias");
        layer.v_bias = vectorIf(bias, attention + "v_proj.bias");
        packQueriesKeysValues(q, k, v, places);
        packOutput(matrix(attention + "o_proj.weight"), layer.sizes.num_key_value_heads, places.output);
        layer.o_bias = vectorIf(config_.attention_output_bias, attention + "o_proj.bias");
    }

    /// Panel p of head h's rows of `m`.
    [[nodiscard]] Matrix headPanel(const Matrix& m, int head, int panel) const
    {
        const int first = panel * kPanel;
        return m.from(head * config_.head_dim + first, 0, std::min(kPanel, config_.head_dim - first), m.ins);
    }

    void packQueriesKeysValues(const Matrix& q, const Matrix& k, const Matrix& v, const Places& places)
    {
        const Shape& shape = weights_.shape;
        const int panels = shape.head_panels;
        const int heads = q.outs / config_.head_dim;
        packPanels(
            heads * panels, shape.hidden, [&](int i) { return headPanel(q, i / panels, i % panels); },
            [&](int i) { return places.queries + static_cast<std::size_t>(i) * shape.input_panel; });
        const auto pack = [&](const Matrix& m, int offset) {
            packPanels(
                m.outs / config_.head_dim * panels, shape.hidden,
                [&](int i) { return headPanel(m, i / panels, i % panels); },
                [&](int i) {
                    return places.kv + static_cast<std::size_t>(i / panels) * shape.kv_bytes +
                           static_cast<std::size_t>(offset + i % panels) * shape.input_panel;
                });
        };
        pack(k, 0);
        pack(v, panels);
    }

    /// Panels of pieces, each with the inputs of a group of heads: scales of int8 do not reach across.
    void packOutput(const Matrix& o, int groups, std::byte* place)
    {
        const Shape& shape = weights_.shape;
        packPieces(o, groups, shape.heads_per_group * shape.head_dim, place, shape.output_piece);
    }

    void packPieces(const Matrix& m, int pieces, int inputs, std::byte* place, std::size_t piece_bytes)
    {
        packPanels(
            weights_.shape.hidden_panels * pieces, inputs,
            [&](int i) { return m.from(i / pieces * kPanel, i % pieces * inputs, kPanel, inputs); },
            [&](int i) { return place + static_cast<std::size_t>(i) * piece_bytes; });
    }

    void packMlp(LayerWeights& layer, const std::string& prefix, const Places& places)
    {
        const Shape& shape = weights_.shape;
        const bool gpt = config_.isGpt();
        const std::string mlp = prefix + "mlp.";
        const int count = roundUp(layer.sizes.intermediate_size, kPanel) / kPanel;
        const auto packRows = [&](const Matrix& m, int panel) {
            packPanels(
                count, shape.hidden, [&](int i) { return m.from(i * kPanel, 0, kPanel, m.ins); },
                [&](int i) {
                    return places.blocks + static_cast<std::size_t>(i) * shape.block_bytes +
                           static_cast<std::size_t>(panel) * shape.input_panel;
                });
        };
        const auto padded = [&](std::vector<float> bias) {
            if (!bias.empty()) bias.resize(static_cast<std::size_t>(count) * kPanel);
            return bias;
        };
        const bool bias = gpt || config_.mlp_bias;
        if (shape.gated) {
            packRows(matrix(mlp + "gate_proj.weight"), 0);
            layer.gate_bias = padded(vectorIf(bias, mlp + "gate_proj.bias"));
        }
        packRows(matrix(mlp + (gpt ? "c_fc.weight" : "up_proj.weight")), shape.gated ? 1 : 0);
        layer.up_bias = padded(vectorIf(bias, mlp + (gpt ? "c_fc.bias" : "up_proj.bias")));
        const Matrix down = matrix(mlp + (gpt ? "c_proj.weight" : "down_proj.weight"));
        packPieces(down, count, kPanel, places.down, shape.down_piece);
        layer.down_bias = vectorIf(bias, mlp + (gpt ? "c_proj.bias" : "down_proj.bias"));
    }

    const std::byte* packHead(const std::string& name)
    {
        const Shape& shape = weights_.shape;
        std::byte* place = take(static_cast<std::size_t>(shape.vocab_panels) * shape.input_panel);
        const Matrix m = matrix(name);
        packPanels(
            shape.vocab_panels, shape.hidden, [&](int i) { return m.from(i * kPanel, 0, kPanel, m.ins); },
            [&](int i) { return place + static_cast<std::size_t>(i) * shape.input_panel; });
        return place;
    }

    RowTable packTable(const std::string& name)
    {
        RowTable table;
        table.type = type_ == PanelType::Int8 ? PanelType::BFloat16 : type_;
        const std::vector<float> values = vector(name);
        const std::size_t element = table.type == PanelType::Float32 ? 4 : 2;
        std::byte* place = take(values.size() * element);
        table.rows = place;
        if (element == 4) {
            std::memcpy(place, values.data(), values.size() * sizeof(float));
            return table;
        }
        auto* to = reinterpret_cast<std::uint16_t*>(place);
        const bool half = table.type == PanelType::Float16;
        for (std::size_t i = 0; i < values.size(); ++i) {
            to[i] = half ? floatToFloat16(values[i]) : floatToBfloat16(values[i]);
            if (half && (to[i] & 0x7c00) == 0x7c00) refuseTooLarge(name);
        }
        return table;
    }

    const Checkpoint& checkpoint_;
    const ModelConfig& config_;
    const PanelType type_;
    ThreadPool& pool_;
    const ProgressFn& progress_;
    const CancelToken& cancel_;
    DecodeWeights weights_;
    std::byte* next_ = nullptr;
    std::string current_; // the tensor being packed
    std::uint64_t done_ = 0;
};

} // namespace

DecodeWeights packWeights(const Checkpoint& checkpoint, PanelType type, ThreadPool& pool, const ProgressFn& progress,
                          const CancelToken& cancel)
{
    return Packer(checkpoint, type, pool, progress, cancel).pack();
}

} // namespace flextron::decode
