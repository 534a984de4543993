// Dynamic routers as panels, so that their choice is made in the same pass as everything else.
#pragma once

#include <memory>
#include <vector>

#include "engine/compute/decode/kernels_p.h"
#include "engine/compute/decode/memory_p.h"
#include "engine/model/config.h"
#include "engine/routing/routers.h"

namespace flextron::decode {

class RouterPanels {
public:
    /// Throws Failure(InvalidArgument) for routers that were made for another model.
    RouterPanels(std::shared_ptr<const Routers> routers, const ModelConfig& config);

    [[nodiscard]] const std::shared_ptr<const Routers>& routers() const { return routers_; }
    /// Floats of scratch memory that choose() needs.
    [[nodiscard]] std::size_t scratchFloats() const;

    /// The width for normalised input `h` [d] and target `code` [stops]. Writes the choices' probabilities.
    int choose(const Kernels& kernels, int layer, bool mlp, const float* h, const std::vector<float>& code,
               float* scratch, float* probabilities) const;

private:
    struct Network {
        const RouterNetwork* router = nullptr;
        const float* hidden = nullptr; // panels
        const float* output = nullptr;
    };
    float* pack(const std::vector<RouterNetwork>& routers, std::vector<Network>& networks, float* place);
    [[nodiscard]] std::size_t panelFloats(const std::vector<RouterNetwork>& routers) const;

    std::shared_ptr<const Routers> routers_;
    int hidden_size_ = 0;
    int inputs_ = 0;
    std::vector<Network> heads_, mlp_; // a layer each
    Memory memory_;
};

} // namespace flextron::decode
