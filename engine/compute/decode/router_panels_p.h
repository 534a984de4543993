// Dynamic routers as panels, so that their choice is made in the same pass as everything else.
#pragma once

#include <memory>
#include <vector>

#include "engine/base/memory_p.h"
#include "engine/compute/decode/kernels_p.h"
#include "engine/model/config.h"
#include "engine/routing/routers.h"

namespace flextron::decode {

class RouterPanels {
public:
    /// `weights`: how the model's lie. Routers are held as float32 beside exact weights and as float16 beside rounded
    /// ones, unless they are too large for it: every token reads all of them. Throws Failure(InvalidArgument) for
    /// routers that were made for another model.
    RouterPanels(std::shared_ptr<const Routers> routers, const ModelConfig& config, PanelType weights);

    [[nodiscard]] const std::shared_ptr<const Routers>& routers() const { return routers_; }
    /// Floats of scratch memory that choose() needs.
    [[nodiscard]] std::size_t scratchFloats() const;

    /// The width for normalised input `h` [d] and target `code` [stops]. Writes the choices' probabilities.
    int choose(const Kernels& kernels, int layer, bool mlp, const float* h, const std::vector<float>& code,
               float* scratch, float* probabilities) const;

private:
    struct Network {
        const RouterNetwork* router = nullptr;
        const std::byte* hidden = nullptr; // panels
        const std::byte* output = nullptr;
    };
    void check(const std::vector<RouterNetwork>& routers) const;
    std::byte* pack(const std::vector<RouterNetwork>& routers, std::vector<Network>& networks, std::byte* place) const;
    [[nodiscard]] std::size_t bytesOf(const LinearWeights& linear) const;
    void multiply(const Kernels& kernels, const std::byte* panels, const LinearWeights& linear, const float* input,
                  float* output) const;

    std::shared_ptr<const Routers> routers_;
    PanelType type_ = PanelType::Float32;
    int hidden_size_ = 0;
    int inputs_ = 0;
    std::vector<Network> heads_, mlp_; // a layer each
    Memory memory_;
};

} // namespace flextron::decode
