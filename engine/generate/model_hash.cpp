#include <algorithm>
#include <bit>

#include "engine/base/fingerprint.h"
#include "engine/generate/loaded_model.h"

namespace flextron {

namespace {

// Enough of a tensor to tell trainings apart, little enough to touch a few pages of each.
constexpr std::size_t kSamples = 16;
constexpr std::size_t kSampleBytes = 64;

void addConfig(Fingerprint& print, const ModelConfig& config)
{
    print.add(familyName(config.family));
    for (const int number :
         {config.hidden_size, config.head_dim, config.vocab_size, config.max_position_embeddings,
          static_cast<int>(config.hidden_act), config.sliding_window, static_cast<int>(config.rope.scaling),
          config.rope.original_max_position_embeddings, config.numLayers()})
        print.add(number);
    for (const double number : {config.norm_eps, config.rope.theta, config.rope.factor, config.rope.low_freq_factor,
                                config.rope.high_freq_factor})
        print.add(std::bit_cast<std::int64_t>(number));
}

void addSample(Fingerprint& print, std::span<const std::byte> bytes)
{
    if (bytes.size() <= kSamples * kSampleBytes) {
        print.add(bytes);
        return;
    }
    const std::size_t last = bytes.size() - kSampleBytes;
    for (std::size_t i = 0; i < kSamples; ++i) print.add(bytes.subspan(last / (kSamples - 1) * i, kSampleBytes));
}

} // namespace

std::string modelHash(const Checkpoint& checkpoint)
{
    Fingerprint print;
    addConfig(print, checkpoint.config());
    for (const auto& [name, tensor] : checkpoint.tensors()) {
        print.add(name);
        print.add(safetensorsName(tensor.dtype));
        for (const std::int64_t size : tensor.shape) print.add(size);
        addSample(print, tensor.bytes);
    }
    return print.hex();
}

} // namespace flextron
