// The response curve: which width the routers of one cell would choose at other targets, its hidden state held.
#pragma once

#include <array>
#include <optional>

#include <QLabel>
#include <QWidget>

#include "engine/evaluate/response.h"
#include "ui/inspect/inspected.h"
#include "ui/service/inquiry.h"

class QCPGraph;
class QCPItemStraightLine;
class QCustomPlot;

namespace flextron::ui {

/// Asked for the token under the cursor as soon as nothing runs; moving to another layer asks nothing anew.
class ResponseView final : public QWidget {
    Q_OBJECT

public:
    ResponseView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QCustomPlot* plot() const { return plot_; }
    /// Widths drawn at each target, as shares of full; empty while nothing is known.
    [[nodiscard]] std::vector<double> drawn(SubBlock block) const;

private:
    void makePlot();
    void refresh();
    void redraw();
    void changeEvent(QEvent* event) override;
    void updateColors();

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    struct Place {
        PaneSlot slot = PaneSlot::Live;
        int token = -1;
        quint64 serial = 0;
        bool operator==(const Place&) const = default;
    };
    Place asked_;
    std::optional<RouterResponse> response_;
    std::optional<Error> error_;
    Inquiry<RouterResponse> inquiry_;
    StatePage* page_ = nullptr;
    QCustomPlot* plot_ = nullptr;
    std::array<QCPGraph*, 2> chosen_{}; // by SubBlock; owned by plot_, as are the next two
    std::array<QCPGraph*, 2> expected_{};
    QCPItemStraightLine* asked_line_ = nullptr;
};

} // namespace flextron::ui
