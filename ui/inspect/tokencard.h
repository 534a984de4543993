// The token card: what a token is, how probable it was, and what else could have stood there.
#pragma once

#include <memory>

#include <QLabel>
#include <QTableView>
#include <QWidget>

#include "ui/data/baseline.h"
#include "ui/inspect/inspected.h"
#include "ui/inspect/toptokens.h"

namespace flextron::ui {

class TokenCard final : public QWidget {
    Q_OBJECT

public:
    TokenCard(EngineService* service, Comparison* comparison, Selection* selection, Baseline* baseline,
              QAction* run_action, QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QTableView* table() const { return table_; }
    [[nodiscard]] QString headText() const { return head_->text(); }
    [[nodiscard]] QString factText() const { return facts_->text(); }
    [[nodiscard]] QList<QAction*> viewActions() const { return {continue_action_}; }

private:
    QWidget* makeContent();
    void refresh();
    void updateAction();
    void continueFromRow();
    [[nodiscard]] QString factsOf(const Inspected& inspected) const;

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    Baseline* baseline_;
    QAction* run_action_;
    QAction* continue_action_;
    StatePage* page_ = nullptr;
    QLabel* head_ = nullptr;
    QLabel* facts_ = nullptr;
    TopTokensModel* model_ = nullptr;
    QTableView* table_ = nullptr;
    QWidget* continue_button_ = nullptr;
};

} // namespace flextron::ui
