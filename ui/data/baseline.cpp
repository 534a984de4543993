#include "ui/data/baseline.h"

#include "engine/evaluate/scoring.h"
#include "ui/data/cellgrid.h"

namespace flextron::ui {

namespace {
constexpr int kTopTokens = 8;
} // namespace

Baseline::Baseline(EngineService* service, Comparison* comparison, QObject* parent)
    : QObject(parent)
    , service_(service)
    , comparison_(comparison)
    , inquiry_(service, QStringLiteral("baseline"), this, [this](const Result<Trace>& answer) {
        if (answer.ok()) read_[asked_] = *answer;
        else if (answer.error().code != ErrorCode::Cancelled) emit failed(answer.error());
        emit changed();
    })
{
    connect(service, &EngineService::modelLoaded, this, [this] { read_.clear(); });
    connect(comparison_, &Comparison::paneReset, this, [this](PaneSlot slot) {
        read_.erase(slot);
        emit changed();
    });
    connect(comparison_, &Comparison::paneChanged, this, [this] { emit changed(); });
}

Baseline::View Baseline::of(PaneSlot slot) const
{
    const Trace& text = comparison_->pane(slot).trace;
    const Trace& full = comparison_->pane(PaneSlot::Full).trace;
    View view{&full, commonTokens(text, full)};
    if (const auto found = read_.find(slot); found != read_.end()) {
        const int common = commonTokens(text, found->second);
        if (common > view.common) view = {&found->second, common};
    }
    return view.common > 0 ? view : View{};
}

bool Baseline::canRead(PaneSlot slot) const
{
    const PaneData& pane = comparison_->pane(slot);
    return service_->model() && !pane.busy() && pane.trace.records.size() > 1 && !reading() &&
           of(slot).common < static_cast<int>(pane.trace.records.size());
}

void Baseline::read(PaneSlot slot)
{
    asked_ = slot;
    inquiry_.ask([ids = comparison_->pane(slot).trace.ids()](const auto& model, const ProgressFn& progress,
                                                             const CancelToken& cancel) -> Result<Trace> {
        WidthPlan plan;
        plan.subnet = fullSubNetwork(model->config());
        ScoreOptions options;
        options.top_tokens = kTopTokens;
        auto score = scoreText(*model, ids, plan, options, progress, cancel);
        if (!score.ok()) return score.error();
        return std::move(score->trace);
    });
    emit changed();
}

} // namespace flextron::ui
