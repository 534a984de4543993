// Traces written out by hand, whose every figure can be worked out on paper.
#pragma once

#include <cmath>

#include "engine/generate/trace.h"

namespace flextron::test {

/// Two layers of 8 heads and 64 neurons, dynamic routers over four choices each. Token 0 is the first of the text and
/// was read at full width; token 1 narrower in layer 1, where its routers doubted; token 2 was predicted, not yet read.
inline Trace smallTrace()
{
    Trace trace;
    trace.layers = 2;
    trace.full_heads = 8;
    trace.full_mlp = 64;
    trace.choices = {{16, 32, 48, 64}, {2, 4, 6, 8}};
    trace.routing = "dynamic";
    trace.budget = 0.5;
    TokenRecord first;
    first.id = 5;
    first.bytes = " dragon";
    first.given = true;
    first.logprob = std::nanf("");
    first.read = true;
    first.heads = {8, 8};
    first.mlp = {64, 64};
    first.head_probabilities = {0, 0, 0, 1, 0, 0, 0.25F, 0.75F};
    first.mlp_probabilities = {0, 0, 0, 1, 0, 0, 0, 1};
    first.layer_ns = {2'000'000, 4'000'000};
    first.ns = 7'000'000;
    TokenRecord second = first;
    second.position = 1;
    second.id = 6;
    second.bytes = "\xc3";
    second.given = false;
    second.logprob = -1.0F;
    second.rank = 2;
    second.top = {{9, -0.5F}, {7, -0.9F}, {6, -1.0F}};
    second.heads = {8, 2};
    second.mlp = {64, 32};
    second.head_probabilities = {0, 0, 0, 1, 0.5F, 0.25F, 0.25F, 0};
    second.mlp_probabilities = {0, 0, 0, 1, 0.125F, 0.5F, 0.375F, 0};
    TokenRecord third;
    third.position = 2;
    third.id = 7;
    third.bytes = "!";
    third.logprob = -2.5F;
    third.rank = 0;
    third.top = {{7, -2.5F}};
    trace.records = {first, second, third};
    return trace;
}

} // namespace flextron::test
