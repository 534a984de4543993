// What the open model is: the facts of its files, and where it runs.
#pragma once

#include <QFormLayout>
#include <QWidget>

#include "ui/parts/statepage.h"
#include "ui/service/engineservice.h"

namespace flextron::ui {

class ModelCard final : public QWidget {
    Q_OBJECT

public:
    ModelCard(EngineService* service, QAction* open_action, QAction* cancel_action, QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }

private:
    void show(const ModelInfoPtr& model);
    void addRow(const QString& name, const QString& value);
    void addModelRows(const ModelInfo& model);
    void addElasticRows(const ModelInfo& model);
    void addMachineRows(const ModelInfo& model);

    EngineService* service_;
    QFormLayout* form_ = nullptr;
    StatePage* page_ = nullptr;
    QAction* open_action_;
    QString loading_;
};

} // namespace flextron::ui
