// Opens what a pane can run besides the open model, asks before it takes memory, and adds the pane.
#pragma once

#include <deque>

#include <QList>
#include <QObject>

#include "ui/data/comparison.h"
#include "ui/service/inquiry.h"
#include "ui/service/panesource.h"

class QAction;
class QMenu;

namespace flextron::ui {

class MainWindow;

class PaneSources final : public QObject {
    Q_OBJECT

public:
    /// Makes its actions in the window, which owns it.
    explicit PaneSources(MainWindow* window);

    void addTo(QMenu* compare);
    /// The same for one pane: what is opened from its own menu has its target and beginning.
    void addTo(QMenu* pane, PaneSlot slot);
    /// A pane like `like` that runs `file`: a routers file at once, a checkpoint's folder after its memory was agreed
    /// to.
    void open(const QString& file, PaneSlot like = PaneSlot::Live);
    /// A pane of a session: nothing is asked.
    void reopen(const Pin& pin, const QString& file);
    void update();

signals:
    /// Nothing is left to open.
    void settled(bool ok);

private:
    struct Wanted {
        QString file;
        PaneSlot like = PaneSlot::Live;
        std::optional<Pin> pin; ///< as it was; none for one like another pane
    };
    void choose(bool folder, PaneSlot like);
    void want(const Wanted& wanted);
    void next();
    void opened(const Result<std::shared_ptr<const PaneSource>>& source);
    void add(const Wanted& wanted, const std::shared_ptr<const PaneSource>& source);
    void askForMemory(const SourceEstimate& estimate);
    void failed(const Error& error);

    MainWindow* window_;
    QAction* routers_action_;
    QAction* checkpoint_action_;
    QList<QAction*> pane_actions_;
    std::deque<Wanted> wanted_; ///< the front one is being opened
    Wanted estimated_;
    Inquiry<SourceEstimate> estimate_;
    Inquiry<std::shared_ptr<const PaneSource>> source_;
};

} // namespace flextron::ui
