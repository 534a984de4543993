// The window: makes the views, gives them actions, and remembers how they were arranged.
#pragma once

#include <QComboBox>
#include <QMainWindow>
#include <QProgressBar>
#include <QToolButton>

#include "ui/compare/pace.h"
#include "ui/data/comparison.h"
#include "ui/data/selection.h"
#include "ui/service/engineservice.h"

class QDockWidget;
class QMenu;
class QSettings;

namespace flextron::ui {

class CommandPalette;
class ElidedLabel;
class FileActions;
class HeatmapView;
class HintBar;
class History;
class InspectionViews;
class JobViews;
class KeyDialog;
class ModelCard;
class NoticeBar;
class NotesPanel;
class PaneArea;
class PaneSources;
class PaneView;
class PromptPanel;
class Recovery;
class SamplingPanel;
class SubNetworkPanel;

class MainWindow final : public QMainWindow {
    Q_OBJECT

public:
    /// `calls` is the engine; tests give another. Settings are read, and written on closing, where QSettings' user
    /// scope lies.
    explicit MainWindow(EngineCalls calls = realEngine(), QWidget* parent = nullptr);
    ~MainWindow() override;

    /// Arrangements for a class, for trying things, for looking into a router.
    enum class Layout { Teach, Explore, Debug };
    /// What is there now is kept and comes back with its layout.
    void arrange(Layout layout);
    [[nodiscard]] Layout arrangement() const { return layout_; }

    /// Path or bundled name; empty = the first bundled model.
    void openModel(const QString& model);
    /// Off for pictures and tests: no measuring in the background.
    void setMeasureInBackground(bool on) { measure_in_background_ = on; }
    /// The arrangement that a first start has.
    void resetLayout();

    [[nodiscard]] EngineService* service() const { return service_; }
    [[nodiscard]] Comparison* comparison() const { return comparison_; }
    [[nodiscard]] Selection* selection() const { return selection_; }
    [[nodiscard]] SubNetworkPanel* subNetworkPanel() const { return sub_network_; }
    [[nodiscard]] PromptPanel* promptPanel() const { return prompt_; }
    [[nodiscard]] InspectionViews* inspection() const { return inspection_; }
    [[nodiscard]] JobViews* jobs() const { return jobs_; }
    [[nodiscard]] HeatmapView* heatmap() const;
    [[nodiscard]] PaneView* paneView(PaneSlot slot) const;
    [[nodiscard]] PaneArea* paneArea() const { return pane_area_; }
    [[nodiscard]] SamplingPanel* samplingPanel() const { return sampling_; }
    [[nodiscard]] Pace* pace() const { return pace_; }
    [[nodiscard]] History* history() const { return history_; }
    [[nodiscard]] FileActions* files() const { return files_; }
    [[nodiscard]] PaneSources* paneSources() const { return pane_sources_; }
    [[nodiscard]] NoticeBar* noticeBar() const { return notice_; }
    [[nodiscard]] NotesPanel* notes() const { return notes_; }
    [[nodiscard]] HintBar* hints() const { return hints_; }
    /// The notes beside the panes, wide enough to read.
    void showNotes();
    /// Keeps the session beside, and offers what a crash left behind.
    void keepRecovery();
    /// In the status bar.
    void showMessage(const QString& text);
    /// A link of the notes: "set:budget=0.5", "do:run", "select:token=18", "show:heatmap" (docs/guide/keep.md has
    /// all). False for one that it does not know or that can do nothing now.
    bool followLink(const QString& link);
    /// An action that is listed everywhere. `name` is its own in files and tests.
    QAction* makeAction(const char* name, const QString& text, const QKeySequence& key, const QString& help);
    [[nodiscard]] QString statusText() const;
    /// A text file's content becomes the prompt.
    void openText(const QString& file);
    /// What the status bar says of a model's latency table.
    [[nodiscard]] static QString tableText(const ModelInfo& model);

private:
    void makeActions();
    void makeCompareActions();
    void makeLayoutActions();
    void makeHelpActions();
    void makeHelpMenu(QMenu* help);
    void makePanelMenu(QMenu* view);
    void goTo(QDockWidget* dock);
    void showBox(const QString& title, const QString& text);
    static QString panelHelp(const QString& name);
    bool setTargetByLink(const QString& what, const QString& value);
    bool setInputByLink(const QString& what, const QString& value);
    bool setViewByLink(const QString& what, const QString& value);
    bool selectByLink(const QString& what, const QString& value);
    bool showByLink(const QString& what);
    void makeLessons();
    HintBar* makeHints();
    /// No hints while there is no model to try them on, nor beside large letters.
    void quietHints();
    void beginFirstStart(const ModelInfo& model);
    void arrangeAnew();
    void readLayouts(const QSettings& settings);
    void writeLayouts(QSettings& settings) const;
    void makeMenus();
    void makeToolBar();
    void makeViews();
    void makeStatusBar();
    void makeJobs();
    void makeJobMenu(QMenu* model, QMenu* analyze);
    /// Brings a panel to the front.
    void raiseDock(const QString& name);
    void connectService();
    void raiseRatherThanClose(QDockWidget* dock);
    QDockWidget* addDock(const QString& name, const QString& title, QWidget* view);
    void applyInputs();
    void updateActions();
    void updateIcons();
    void showModel(const ModelInfoPtr& model);
    void showModels(const std::vector<ModelListEntry>& models);
    void showLatencyStatus();
    void chooseFolder();
    void chooseText();
    void showAbout();
    void readSettings();
    void writeSettings() const;
    bool focusNextPrevChild(bool next) override;
    void closeEvent(QCloseEvent* event) override;
    void changeEvent(QEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    Pace* pace_;
    History* history_;
    FileActions* files_ = nullptr;
    PaneSources* pane_sources_ = nullptr;
    Recovery* recovery_ = nullptr;
    bool measure_in_background_ = true;
    static constexpr std::size_t kLayouts = 3;
    Layout layout_ = Layout::Explore;
    std::array<QByteArray, kLayouts> kept_layouts_;
    std::array<QAction*, kLayouts> layout_actions_{};
    CommandPalette* command_palette_ = nullptr;
    KeyDialog* key_dialog_ = nullptr;
    std::vector<ModelListEntry> models_;

    QAction* open_action_ = nullptr;
    QAction* quit_action_ = nullptr;
    QAction* run_action_ = nullptr;
    QAction* stop_action_ = nullptr;
    QAction* cancel_load_action_ = nullptr;
    QAction* measure_action_ = nullptr;
    QAction* cancel_measure_action_ = nullptr;
    QAction* copy_live_action_ = nullptr;
    QAction* clear_selection_action_ = nullptr;
    QAction* reset_layout_action_ = nullptr;
    QAction* reset_zoom_action_ = nullptr;
    QAction* full_action_ = nullptr;
    QAction* about_action_ = nullptr;
    QAction* read_action_ = nullptr;
    QAction* open_text_action_ = nullptr;
    QAction* pin_action_ = nullptr;
    QAction* measure_alone_action_ = nullptr;
    QAction* replay_action_ = nullptr;
    QAction* step_action_ = nullptr;
    QAction* undo_action_ = nullptr;
    QAction* commands_action_ = nullptr;
    QAction* keys_action_ = nullptr;
    QAction* help_action_ = nullptr;
    QAction* whats_this_action_ = nullptr;
    QAction* glossary_action_ = nullptr;
    QAction* redo_action_ = nullptr;
    QAction* unpin_action_ = nullptr;
    QAction* hints_action_ = nullptr;
    QMenu* recent_menu_ = nullptr;
    QMenu* bundled_menu_ = nullptr;
    QMenu* view_menu_ = nullptr;
    QMenu* lessons_menu_ = nullptr;
    QComboBox* pace_box_ = nullptr;

    NoticeBar* notice_ = nullptr;
    HintBar* hints_ = nullptr;
    bool first_start_ = true; ///< no settings were there
    NotesPanel* notes_ = nullptr;
    PromptPanel* prompt_ = nullptr;
    PaneArea* pane_area_ = nullptr;
    SamplingPanel* sampling_ = nullptr;
    SubNetworkPanel* sub_network_ = nullptr;
    ModelCard* model_card_ = nullptr;
    InspectionViews* inspection_ = nullptr;
    JobViews* jobs_ = nullptr;
    std::vector<QDockWidget*> docks_;
    ElidedLabel* message_ = nullptr;
    ElidedLabel* device_ = nullptr;
    ElidedLabel* latency_ = nullptr;
    QProgressBar* load_bar_ = nullptr;
    QToolButton* load_cancel_ = nullptr;
};

} // namespace flextron::ui
