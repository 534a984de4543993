// The convert form: what to convert, on what, how long, where to; an estimate before it starts, the job while it runs.
#pragma once

#include <memory>
#include <optional>

#include <QAction>
#include <QDialog>
#include <QProcess>

#include "ui/jobs/convertfields.h"
#include "ui/jobs/jobpanel.h"
#include "ui/jobs/jobs.h"
#include "ui/parts/statepage.h"

namespace flextron::ui {

/// Not modal: the window goes on. Estimating is a child of its own that ends with the form; converting is a job.
class ConvertForm final : public QDialog {
    Q_OBJECT

public:
    ConvertForm(Jobs* jobs, const JobActions& actions, QWidget* parent = nullptr);
    ~ConvertForm() override;

    /// Fills everything in for this base; an empty one leaves the field to the person.
    void offer(const QString& base, ConvertPlan::What what);

    [[nodiscard]] ConvertFields* fields() const { return fields_; }
    [[nodiscard]] StatePage* estimatePage() const { return page_; }
    [[nodiscard]] QString estimate() const { return estimate_text_->text(); }
    [[nodiscard]] QAction* estimateAction() const { return estimate_action_; }
    [[nodiscard]] QAction* startAction() const { return start_action_; }

signals:
    /// The conversion runs; its record will be written for `out`.
    void started(const QString& out);

private:
    void makeActions();
    void chooseBase(const QString& folder, bool suggest);
    void showBase(const Result<BaseFacts>& base, bool suggest);
    void onEdited();
    void runEstimate();
    void endEstimate();
    void onEstimateOutput();
    void onEstimated(int exit_code);
    void start();
    void launch();
    void updateState();
    void fail(const QString& title, const Error& error);
    void changeEvent(QEvent* event) override;
    void closeEvent(QCloseEvent* event) override;

    Jobs* jobs_;
    ConvertFields* fields_;
    StatePage* page_ = nullptr;
    QLabel* estimate_text_ = nullptr;
    QLabel* problem_ = nullptr;
    QAction* estimate_action_ = nullptr;
    QAction* cancel_action_ = nullptr;
    QAction* start_action_ = nullptr;
    std::optional<BaseFacts> base_;
    std::optional<Error> base_problem_;
    QString asked_base_;
    ConvertPlan::What what_ = ConvertPlan::What::Whole;
    std::unique_ptr<QProcess> process_; ///< of an estimate
    JobLog log_;
    ConvertPlan estimated_plan_;
    std::optional<ConvertEstimate> estimated_;
    bool failed_ = false;      ///< the page says why, until something is changed
    bool start_after_ = false; ///< Start was pressed before there was an estimate
};

} // namespace flextron::ui
