// What the window keeps in files and opens from them: sessions, traces, texts, pictures, command lines.
#pragma once

#include <optional>

#include <QObject>

#include "ui/figures/figurefile.h"
#include "ui/window/session.h"

class QAction;
class QMenu;

namespace flextron::ui {

class MainWindow;

class FileActions final : public QObject {
    Q_OBJECT

public:
    /// Makes the actions; belongs to the window.
    explicit FileActions(MainWindow* window);

    void addTo(QMenu* file, QMenu* edit);
    void openSession(const QString& file);
    /// A session of the program's own: saving it asks for another file.
    void openLesson(const QString& file);
    void saveSession(const QString& file);
    void openTraces(const QString& file);
    void saveTraces(const QString& file);
    void exportTexts(const QString& file);
    void exportFigure(const Figure& figure, const FigureFile& file, const QJsonObject& origin);
    /// The panes as an interactive page (engine/report/report.h).
    void exportReport(const QString& file);
    /// Anything the window opens: a session, a trace, a text, a model's folder.
    void openFile(const QString& file);
    [[nodiscard]] Session current() const;
    /// Opens its model and puts everything where it was.
    void apply(const Session& session);
    [[nodiscard]] QString commandOf(PaneSlot slot) const;
    /// Actions that fit what is there.
    void update();

signals:
    /// Writing or reading a file is over.
    void done(bool ok);

private:
    void makeActions();
    void applyPending();
    void failed(const QString& title, const Error& error);
    void finish(const QString& title, const QString& success, const Result<void>& result);
    void showFigures();
    void copyCommand();
    void choose(const QString& title, const QString& filter, const QString& ending, bool save,
                const std::function<void(const QString&)>& chosen);

    MainWindow* window_;
    QString session_file_;
    std::optional<Session> pending_; ///< waits for its model
    QAction* open_session_ = nullptr;
    QAction* save_session_ = nullptr;
    QAction* save_session_as_ = nullptr;
    QAction* open_trace_ = nullptr;
    QAction* save_trace_ = nullptr;
    QAction* export_texts_ = nullptr;
    QAction* export_report_ = nullptr;
    QAction* export_figure_ = nullptr;
    QAction* export_window_ = nullptr;
    QAction* copy_command_ = nullptr;
};

} // namespace flextron::ui
