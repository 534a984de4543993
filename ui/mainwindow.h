// The window: makes the views, gives them actions, and remembers how they were arranged.
#pragma once

#include <QComboBox>
#include <QMainWindow>
#include <QProgressBar>
#include <QToolButton>

#include "ui/comparison.h"
#include "ui/engineservice.h"
#include "ui/pace.h"
#include "ui/selection.h"

class QDockWidget;
class QMenu;

namespace flextron::ui {

class ElidedLabel;
class HeatmapView;
class InspectionViews;
class ModelCard;
class PaneArea;
class PaneView;
class PromptPanel;
class SamplingPanel;
class SubNetworkPanel;

class MainWindow final : public QMainWindow {
    Q_OBJECT

public:
    /// `calls` is the engine; tests give another. Settings are read, and written on closing, where QSettings' user
    /// scope lies.
    explicit MainWindow(EngineCalls calls = realEngine(), QWidget* parent = nullptr);
    ~MainWindow() override;

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
    [[nodiscard]] HeatmapView* heatmap() const;
    [[nodiscard]] PaneView* paneView(PaneSlot slot) const;
    [[nodiscard]] PaneArea* paneArea() const { return pane_area_; }
    [[nodiscard]] SamplingPanel* samplingPanel() const { return sampling_; }
    [[nodiscard]] Pace* pace() const { return pace_; }
    [[nodiscard]] QString statusText() const;
    /// A text file's content becomes the prompt.
    void openText(const QString& file);

private:
    QAction* makeAction(const char* name, const QString& text, const QKeySequence& key, const QString& help);
    void makeActions();
    void makeCompareActions();
    void makeMenus();
    void makeToolBar();
    void makeViews();
    void makeStatusBar();
    void connectService();
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
    void closeEvent(QCloseEvent* event) override;
    void changeEvent(QEvent* event) override;
    void dragEnterEvent(QDragEnterEvent* event) override;
    void dropEvent(QDropEvent* event) override;

    EngineService* service_;
    Comparison* comparison_;
    Selection* selection_;
    Pace* pace_;
    bool measure_in_background_ = true;
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
    QMenu* recent_menu_ = nullptr;
    QMenu* bundled_menu_ = nullptr;
    QMenu* view_menu_ = nullptr;
    QComboBox* pace_box_ = nullptr;

    PromptPanel* prompt_ = nullptr;
    PaneArea* pane_area_ = nullptr;
    SamplingPanel* sampling_ = nullptr;
    SubNetworkPanel* sub_network_ = nullptr;
    ModelCard* model_card_ = nullptr;
    InspectionViews* inspection_ = nullptr;
    std::vector<QDockWidget*> docks_;
    ElidedLabel* message_ = nullptr;
    ElidedLabel* device_ = nullptr;
    ElidedLabel* latency_ = nullptr;
    QProgressBar* load_bar_ = nullptr;
    QToolButton* load_cancel_ = nullptr;
};

} // namespace flextron::ui
