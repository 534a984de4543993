// A corpus report, `flextron routers --json`, as values: what the routers do on each text, and whether it is worth
// anything. No window.
#pragma once

#include <optional>
#include <vector>

#include <QByteArray>
#include <QString>
#include <QStringList>

#include "engine/base/error.h"
#include "engine/routing/overrides.h"

namespace flextron::ui {

/// One layer's and sub-block's dynamic router on one text at one stop.
struct CorpusRow {
    QString text;
    double asked = 1;
    int layer = 0;
    SubBlock block = SubBlock::Mlp;
    std::vector<int> choices;
    std::vector<double> shares; ///< of tokens, by choice; as many as choices
    double entropy = 0;         ///< between tokens, nats
    double router_entropy = 0;  ///< of the router's own probabilities, mean, nats
    double margin = 0;
};

/// A reading at equal cost: its loss less the routers'; above 0 speaks for the routers.
struct CorpusControl {
    double difference = 0;
    double low = 0, high = 0; ///< 95 %
    double p = 1;
};

/// One text at one stop, with dynamic or with static routing.
struct CorpusStop {
    QString text;
    double asked = 1;
    bool dynamic = true;
    double cost = 1; ///< got, share of full
    double loss = 0; ///< nats a token
    double standard_error = 0;
    std::optional<CorpusControl> uniform;
    std::optional<CorpusControl> shuffled; ///< of dynamic routing
    std::optional<bool> uses_its_input;
};

/// What one set of routers does.
struct CorpusSide {
    QString routers;
    QString cost_basis;
    std::vector<CorpusRow> rows;
    std::vector<CorpusStop> stops;
    QStringList verdicts;
};

/// Two sets of routers on the same text and stop: the second's loss less the first's.
struct CorpusCompared {
    QString text;
    double asked = 1;
    double costs[2] = {1, 1};
    CorpusControl second_less_first;
};

struct CorpusReport {
    QString model;
    std::vector<CorpusSide> sides; ///< one or two
    std::vector<CorpusCompared> compared;
    QByteArray json; ///< as it was read
};
/// Corrupt names the field.
Result<CorpusReport> parseCorpusReport(const QByteArray& json);

/// A row a layer and sub-block, in the C locale; the shares in columns choice_1 and so on.
QString toCsv(const CorpusReport& report);

/// Texts and stops that rows are of, in their order.
std::vector<std::pair<QString, double>> placesOf(const CorpusSide& side);
std::vector<CorpusRow> rowsAt(const CorpusSide& side, const QString& text, double asked);

/// "+0.112 (p < 0.001)"
QString controlText(const CorpusControl& control);
QString stopName(const QString& text, double asked);

} // namespace flextron::ui
