#include "ui/window/screenshot.h"

#include <QPixmap>
#include <QSaveFile>
#include <QTimer>

#include "ui/target/subnetworkpanel.h"
#include "ui/window/mainwindow.h"

namespace flextron::ui {

namespace {
constexpr int kSettleMs = 150; // queued replots and layouts
} // namespace

Screenshot::Screenshot(MainWindow* window, const QString& file, double budget, QObject* parent)
    : QObject(parent)
    , window_(window)
    , file_(file)
{
    EngineService* service = window_->service();
    connect(
        service, &EngineService::modelLoaded, this, [this, budget] { window_->subNetworkPanel()->setBudget(budget); },
        Qt::QueuedConnection); // after all views have taken the model in
    connect(service, &EngineService::loadFailed, this,
            [this](const QString&, const Error& error) { emit failed(error); });
    connect(service, &EngineService::runFailed, this, [this](RunId, const Error& error) { emit failed(error); });
    connect(service, &EngineService::runFinished, this,
            [this] { QTimer::singleShot(kSettleMs, this, &Screenshot::save); });
}

void Screenshot::save()
{
    QSaveFile file(file_);
    if (!file.open(QIODevice::WriteOnly) || !window_->grab().save(&file, "PNG") || !file.commit()) {
        emit failed({ErrorCode::Io,
                     file_.toStdString() + ": the picture could not be written: " + file.errorString().toStdString(),
                     "Give a path in a folder that you may write to."});
        return;
    }
    emit saved(file_);
}

} // namespace flextron::ui
