// The colours of heatmaps and coloured texts, wherever they are drawn: window, figures, reports.
#pragma once

#include <array>
#include <cstdint>

namespace flextron {

/// Dark violet over teal to yellow: lightness rises all the way, so it reads in grey and with any colour vision. Our
/// own stops, 0xAARRGGBB.
inline constexpr std::array<std::uint32_t, 5> kSequentialStops{0xff2b1a56, 0xff2f5d8c, 0xff2a9187, 0xff76c162,
                                                               0xfff6e34b};

/// Blue over near-white to orange, for differences: the middle is "no difference", lightness falls alike to both sides,
/// and blue and orange are told apart with any colour vision. Our own stops.
inline constexpr std::array<std::uint32_t, 5> kDivergingStops{0xff1c4a86, 0xff78a9d1, 0xfff1efe9, 0xffdf9a5b,
                                                              0xff823a07};

} // namespace flextron
