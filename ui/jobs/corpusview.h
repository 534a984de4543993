// The corpus report on the screen: what the routers do on texts, layer by layer, and the verdicts in words.
#pragma once

#include <optional>

#include <QComboBox>
#include <QListWidget>
#include <QTabWidget>
#include <QWidget>

#include "ui/jobs/corpusbars.h"
#include "ui/jobs/corpustables.h"
#include "ui/jobs/jobpanel.h"
#include "ui/jobs/jobs.h"
#include "ui/parts/statepage.h"
#include "ui/parts/statusline.h"
#include "ui/service/engineservice.h"

namespace flextron::ui {

class CorpusSetup;
struct CorpusRequest;

class CorpusView final : public QWidget {
    Q_OBJECT

public:
    CorpusView(Jobs* jobs, EngineService* service, const JobActions& job_actions, QAction* convert_action,
               QWidget* parent = nullptr);

    [[nodiscard]] StatePage* page() const { return page_; }
    [[nodiscard]] QList<QAction*> viewActions() const { return {make_action_, open_action_, export_action_}; }
    [[nodiscard]] const std::optional<CorpusReport>& report() const { return report_; }
    [[nodiscard]] CorpusBars* bars() const { return bars_; }
    [[nodiscard]] QTabWidget* tabs() const { return tabs_; }
    [[nodiscard]] QString factsText() const { return facts_->fullText(); }
    [[nodiscard]] QStringList verdicts() const;

    /// Starts the job; errors are shown here.
    void make(const CorpusRequest& request);
    /// For the session: the report as JSON, empty without one.
    [[nodiscard]] const QByteArray& kept() const { return kept_; }
    void restore(const QByteArray& json);
    /// JSON, or CSV by the file's ending.
    void exportTo(const QString& file);
    /// A report that was exported, or written by `flextron routers --json`.
    void openFile(const QString& file);
    void showSetup();

signals:
    void layerChosen(int layer);
    void failed(const QString& title, const flextron::Error& error);
    void said(const QString& text); ///< for the status bar
    /// There is something new to look at.
    void raised();

private:
    void makeActions();
    QWidget* makeContent();
    void follow();
    void load(const QString& file);
    void showReport(CorpusReport report);
    void showPlace();
    void updateState();

    Jobs* jobs_;
    EngineService* service_;
    JobActions job_actions_;
    QAction* convert_action_;
    QAction* make_action_ = nullptr;
    QAction* open_action_ = nullptr;
    QAction* export_action_ = nullptr;
    std::optional<CorpusReport> report_;
    QByteArray kept_; ///< report_, without white space
    std::optional<Error> error_;
    bool busy_ = false; ///< a job ran when this was looked at last
    QString taken_;     ///< folder of the job whose result was taken in or whose end was told
    StatePage* page_ = nullptr;
    CorpusSetup* setup_ = nullptr;
    QComboBox* side_ = nullptr;
    QComboBox* place_ = nullptr;
    ElidedLabel* facts_ = nullptr;
    QTabWidget* tabs_ = nullptr;
    CorpusBars* bars_ = nullptr;
    CorpusStopModel* stop_model_ = nullptr;
    CorpusRowModel* row_model_ = nullptr;
    QListWidget* verdicts_ = nullptr;
};

} // namespace flextron::ui
