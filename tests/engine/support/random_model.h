// Random models of every family and shape, for properties that must hold on all of them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "engine/model/checkpoint.h"
#include "engine/model/config.h"
#include "engine/model/subnetwork.h"

namespace flextron::test {

/// A small configuration of `family`, everything else drawn: layers, heads, groups, biases, rope scaling, tied or not.
ModelConfig randomConfig(Family family, std::mt19937_64& random);

/// Writes a checkpoint of `config` with normally distributed weights into `folder` and opens it.
std::shared_ptr<const Checkpoint> randomCheckpoint(const std::filesystem::path& folder, const ModelConfig& config,
                                                   std::uint64_t seed, DType dtype = DType::Float32);

/// Any valid sub-network; layers differ. Widths of 0 only when asked for.
SubNetwork randomSubNetwork(const ModelConfig& config, std::mt19937_64& random, bool with_zero = false);

std::vector<std::int32_t> randomIds(const ModelConfig& config, int count, std::mt19937_64& random);

/// One row a family, each with its own seed: for Qt Test's data functions.
struct RandomCase {
    std::string name;
    Family family;
    std::uint64_t seed;
};
std::vector<RandomCase> randomCases(int per_family);

} // namespace flextron::test
