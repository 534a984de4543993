// A session: everything the user set and where everything stands, as a file.
#pragma once

#include <map>

#include <QByteArray>
#include <QString>

#include "engine/base/error.h"
#include "ui/data/comparison.h"
#include "ui/data/selection.h"

namespace flextron::ui {

/// A choice as text: what it means is known once its model is open.
struct SavedChoice {
    QString kind = QStringLiteral("full"); ///< "full", "budget", "latency_ms", "parameters", "quality", "subnet"
    double value = 1.0;
    QString subnet;      ///< of kind "subnet"
    QString routing;     ///< empty for the default
    QString overrides;   ///< JSON (engine/routing/overrides.h); empty for none
    QString source = {}; ///< a routers file or a checkpoint's folder in place of the open model's; empty for none
};
SavedChoice saveChoice(const PaneChoice& choice);
/// Fails when widths or forced choices do not fit the model.
Result<PaneChoice> openChoice(const SavedChoice& saved, const ModelConfig& config);

struct SavedPin {
    PaneSlot slot = PaneSlot::PinA;
    QString name;
    SavedChoice choice;
    std::vector<TokenId> branch;
};

struct Session {
    static constexpr int kFormatVersion = 1;
    QString model_name;
    QString model_folder;
    QString prompt;
    RunInputs settings; ///< all but the prompt
    bool ran = false;   ///< there were texts: opening the session writes or reads them again
    SavedChoice live;
    std::vector<SavedPin> pins;
    SelectionState selection;
    QString pace; ///< name of a Pace::Mode
    QString notes;
    QByteArray corpus_report; ///< JSON of `flextron routers`; empty for none
    QByteArray geometry;      ///< of the window
    QByteArray layout;
    std::map<QString, int> boxes; ///< current item of each named combo box
};

QByteArray toJson(const Session& session);
/// Corrupt names the field and what was expected; Unsupported for a newer version. `file` is for the messages.
Result<Session> parseSession(const QByteArray& json, const QString& file);

/// Written whole or not at all.
Result<void> writeSession(const QString& file, const Session& session);
Result<Session> readSession(const QString& file);

} // namespace flextron::ui
