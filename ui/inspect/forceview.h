// Force: widths by hand for a cell, a row, a column or a brush; what is forced, and what that does to the losses.
#pragma once

#include <vector>

#include <QAbstractListModel>
#include <QComboBox>
#include <QLabel>
#include <QListView>
#include <QWidget>

#include "ui/data/forcedata.h"
#include "ui/inspect/inspected.h"
#include "ui/service/inquiry.h"

namespace flextron::ui {

/// What is forced, a row for what was done at once. Names can be edited.
class ForcedModel final : public QAbstractListModel {
    Q_OBJECT

public:
    using QAbstractListModel::QAbstractListModel;
    void setGroups(std::vector<ForcedGroup> groups);
    void add(ForcedGroup group);
    void removeAt(int row);
    [[nodiscard]] const std::vector<ForcedGroup>& groups() const { return groups_; }

    [[nodiscard]] int rowCount(const QModelIndex& parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex& index, int role) const override;
    bool setData(const QModelIndex& index, const QVariant& value, int role) override;
    [[nodiscard]] Qt::ItemFlags flags(const QModelIndex& index) const override;

private:
    std::vector<ForcedGroup> groups_;
};

class ForceView final : public QWidget {
    Q_OBJECT

public:
    ForceView(EngineService* service, Comparison* comparison, Selection* selection, QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] ForcedModel* forced() const { return model_; }
    [[nodiscard]] QListView* list() const { return list_; }
    [[nodiscard]] QString effectText() const { return effect_->text(); }
    [[nodiscard]] QList<QAction*> viewActions() const;
    void setScope(ForceScope scope);
    void setBlocks(ForceBlocks blocks);
    /// As parseOverrides reads it; replaces what is forced.
    Result<void> importText(const std::string& text);
    void importFile(const QString& file);
    void exportFile(const QString& file);

signals:
    void failed(const QString& title, const flextron::Error& error);
    void said(const QString& text); ///< for the status bar

private:
    void makeActions();
    QWidget* makeContent();
    void force(ForceChange change);
    void shuffle();
    void removeCurrent();
    void push();
    void followOverrides();
    void askEffect();
    void updateActions();
    [[nodiscard]] ForceScope scope() const { return static_cast<ForceScope>(scope_->currentData().toInt()); }
    [[nodiscard]] ForceBlocks blocks() const { return static_cast<ForceBlocks>(blocks_->currentData().toInt()); }

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    std::vector<QAction*> change_actions_; // by ForceChange
    QAction* remove_action_ = nullptr;
    QAction* clear_action_ = nullptr;
    QAction* shuffle_action_ = nullptr;
    QAction* import_action_ = nullptr;
    QAction* export_action_ = nullptr;
    quint64 read_serial_ = 0; // of the text that the effect is of
    StatePage* page_ = nullptr;
    QComboBox* scope_ = nullptr;
    QComboBox* blocks_ = nullptr;
    ForcedModel* model_ = nullptr;
    QListView* list_ = nullptr;
    QLabel* effect_ = nullptr;
    Inquiry<ForceEffect> inquiry_;
};

} // namespace flextron::ui
