// Numbers for people, in their locale. Files never get these.
#pragma once

#include <cstdint>

#include <QString>

#include "ui/service/rundata.h"

namespace flextron::ui {

QString formatCount(std::int64_t count);  ///< "7.5 M", "812"
QString formatBytes(std::uint64_t bytes); ///< "14.3 MiB"
QString formatTokens(std::int64_t count); ///< "1 token", "64 tokens"
QString formatShare(double share);        ///< "0.60"
QString formatRise(double nats);          ///< "+0.05 nats, +5 % perplexity", "as the full model"
QString formatMs(double ms);              ///< "0.84 ms", "12.3 ms"

/// A moment in the user's time and way of writing it; of "2026-01-02T03:04:05Z".
QString formatMoment(const std::string& utc);

/// "0.60 of full ms" from a table, "0.60 of full FLOPs" before there is one.
QString formatCostShare(double share, bool from_table);

/// "352 of 704 neurons, 4 of 8 heads" for equal layers, else the range.
QString formatWidths(const SubNetwork& subnet, const ModelConfig& config);
QString formatWidths(const SubNetwork& subnet, int full_mlp, int full_heads);

/// One line: what is wrong and what to do.
QString formatError(const Error& error);

/// The token as a person reads it: its text, with spaces and line ends shown, or its bytes in hexadecimal where they
/// are no text.
QString formatToken(const std::string& bytes);

} // namespace flextron::ui
