// A picture of the window after its default comparison, for places without a display.
#pragma once

#include <optional>

#include <QObject>
#include <QString>

#include "ui/service/rundata.h"

namespace flextron::ui {

class MainWindow;

/// Waits for the model, puts the live pane at a budget, runs to the end and writes the window to a PNG.
class Screenshot final : public QObject {
    Q_OBJECT

public:
    Screenshot(MainWindow* window, const QString& file, double budget, QObject* parent = nullptr);

signals:
    void saved(const QString& file);
    void failed(const flextron::Error& error);

private:
    void save();

    MainWindow* window_;
    QString file_;
};

} // namespace flextron::ui
