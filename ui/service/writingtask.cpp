#include "ui/service/writingtask.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "ui/service/modelinfo.h"
#include "ui/service/panesource.h"

namespace flextron::ui {

namespace {

constexpr int kNothing = std::numeric_limits<int>::max();

std::vector<QString> givenPieces(const std::shared_ptr<const Tokenizer>& tokenizer, const std::vector<TokenId>& ids)
{
    TextStream stream(tokenizer);
    std::vector<QString> pieces;
    pieces.reserve(ids.size());
    for (const TokenId id : ids) pieces.push_back(QString::fromStdString(stream.push(id)));
    return pieces;
}

double median(std::vector<double> values)
{
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

} // namespace

WritingTask::WritingTask(std::shared_ptr<const LoadedModel> model, const RunRequest& request) : model_(std::move(model))
{
    const auto prompt = model_->tokenizer->encode(request.inputs.prompt.toStdString()).orThrow();
    std::vector<std::vector<PaneSpec>> specs;
    for (const PaneRequest& wanted : request.panes) {
        const auto& given = wanted.branch.empty() ? prompt : wanted.branch;
        const auto own = modelOf(wanted.choice, model_);
        const bool shared = own->backend == model_->backend; // other routers over the same weights
        const auto same = std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) {
            return group.given == given && group.model->backend == own->backend;
        });
        const auto group = static_cast<std::size_t>(same - groups_.begin());
        if (same == groups_.end()) {
            groups_.push_back({shared ? model_ : own, given, {}, nullptr});
            specs.emplace_back();
        }
        const ResolvedTarget resolved = resolveChoice(wanted, *own);
        Pane pane;
        pane.request = wanted;
        pane.plan = describePlan(resolved, *own);
        pane.group = group;
        pane.index = static_cast<int>(specs[group].size());
        pane.first_changed = kNothing;
        pane.waiting.slot = wanted.slot;
        groups_[group].panes.push_back(panes_.size());
        panes_.push_back(std::move(pane));
        specs[group].push_back({wanted.name.toStdString(), resolved.plan, resolved.routing});
    }
    GenerationSettings settings;
    settings.sampler = request.inputs.sampler;
    settings.max_tokens = request.limit > 0 ? std::min(request.limit, request.inputs.max_tokens)
                                            : request.inputs.max_tokens;
    if (!request.inputs.stop_text.isEmpty()) settings.stop_texts = {request.inputs.stop_text.toStdString()};
    for (std::size_t i = 0; i < groups_.size(); ++i)
        groups_[i].generation =
            Generation::start(groups_[i].model, groups_[i].given, std::move(specs[i]), settings).orThrow();
}

RunStart WritingTask::start() const
{
    RunStart start;
    for (const Pane& pane : panes_) {
        const Group& group = groups_[pane.group];
        start.panes.push_back({pane.request.slot, group.generation->trace(pane.index), pane.plan,
                               givenPieces(model_->tokenizer, group.given)});
    }
    return start;
}

void WritingTask::advance(const CancelToken& cancel)
{
    for (const Group& group : groups_) {
        if (group.generation->finished()) continue;
        const auto before = std::chrono::steady_clock::now();
        const auto events = group.generation->step(cancel).orThrow();
        const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - before;
        const bool decode = std::all_of(events.begin(), events.end(), [](const PaneEvent& event) {
            return event.read_to - event.read_from == 1 && event.predicted;
        });
        if (decode && groups_.size() == 1) step_ms_[static_cast<int>(events.size())].push_back(took.count());
        collect(group, events);
    }
}

void WritingTask::collect(const Group& group, const std::vector<PaneEvent>& events)
{
    for (const PaneEvent& event : events) {
        Pane& pane = panes_[group.panes[static_cast<std::size_t>(event.pane)]];
        const int last = static_cast<int>(group.generation->trace(event.pane).records.size()) - 1;
        if (event.read_to > event.read_from) pane.first_changed = std::min(pane.first_changed, event.read_from);
        if (event.predicted) pane.first_changed = std::min(pane.first_changed, last);
        if (!event.text.empty()) pane.waiting.texts.push_back({last, QString::fromStdString(event.text)});
        if (event.finished) pane.waiting.finished = true;
    }
}

bool WritingTask::finished() const
{
    return std::all_of(groups_.begin(), groups_.end(), [](const Group& group) { return group.generation->finished(); });
}

RunBatch WritingTask::takeBatch()
{
    RunBatch batch;
    for (Pane& pane : panes_) {
        const Generation& generation = *groups_[pane.group].generation;
        const Trace& trace = generation.trace(pane.index);
        PaneBatch& waiting = pane.waiting;
        if (pane.first_changed == kNothing && waiting.texts.empty() && !waiting.finished) continue;
        waiting.first_record = std::min(pane.first_changed, static_cast<int>(trace.records.size()));
        waiting.records.assign(trace.records.begin() + waiting.first_record, trace.records.end());
        waiting.timing = generation.timing(pane.index);
        waiting.stop_reason = trace.stop_reason;
        batch.panes.push_back(std::move(waiting));
        waiting = {};
        waiting.slot = pane.request.slot;
        pane.first_changed = kNothing;
    }
    if (!step_ms_.empty()) {
        const auto& [panes, times] = *step_ms_.rbegin(); // the fullest company
        if (times.size() > 1) batch.shared = {panes, median(times)};
    }
    return batch;
}

std::optional<PlanInfo> WritingTask::retarget(const PaneChoice& choice)
{
    for (Pane& pane : panes_) {
        if (pane.request.slot != PaneSlot::Live) continue;
        PaneRequest changed = pane.request;
        changed.choice = choice;
        const ResolvedTarget resolved = resolveChoice(changed, *model_);
        groups_[pane.group].generation->setPlan(pane.index, resolved.plan, resolved.routing).orThrow();
        pane.request = std::move(changed);
        return describePlan(resolved, *model_);
    }
    return std::nullopt;
}

std::int64_t WritingTask::kvBytes() const
{
    std::int64_t bytes = 0;
    for (const Group& group : groups_) bytes += group.generation->kvBytes();
    return bytes;
}

} // namespace flextron::ui
