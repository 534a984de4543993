// Why this choice: what the routers said at one cell, and how sure they were.
#pragma once

#include <array>

#include <QLabel>
#include <QWidget>

#include "engine/routing/overrides.h"
#include "ui/inspect/inspected.h"
#include "ui/parts/choicebars.h"

namespace flextron::ui {

class WhyView final : public QWidget {
    Q_OBJECT

public:
    WhyView(EngineService* service, Comparison* comparison, Selection* selection, QAction* run_action,
            QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QString headText() const { return head_->text(); }
    [[nodiscard]] QString factText(SubBlock block) const { return part(block).facts->text(); }
    [[nodiscard]] const ChoiceBars* bars(SubBlock block) const { return part(block).bars; }

private:
    struct Part {
        QLabel* title = nullptr;
        ChoiceBars* bars = nullptr;
        QLabel* facts = nullptr;
    };
    [[nodiscard]] const Part& part(SubBlock block) const { return parts_[block == SubBlock::Mlp ? 1 : 0]; }
    QWidget* makeContent();
    void refresh();
    void showPart(const Inspected& inspected, SubBlock block);

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    QAction* run_action_;
    StatePage* page_ = nullptr;
    QLabel* head_ = nullptr;
    std::array<Part, 2> parts_;
};

} // namespace flextron::ui
