#include "ui/service/readingtask.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "engine/evaluate/scoring.h"
#include "ui/service/modelinfo.h"
#include "ui/service/panesource.h"

namespace flextron::ui {

namespace {

constexpr int kTopTokens = 8;
// Records handed over at once, of all panes together: the window must be done with them within a frame.
constexpr int kPiece = 96;
constexpr std::chrono::milliseconds kWait{2};

/// Overrides name tokens of the whole text; a window begins at `first`.
std::shared_ptr<const Overrides> shifted(const std::shared_ptr<const Overrides>& overrides, int first)
{
    if (!overrides || first == 0) return overrides;
    auto moved = std::make_shared<Overrides>();
    for (Override entry : overrides->entries()) {
        if (entry.token != Override::kAll && entry.token < first) continue;
        if (entry.token != Override::kAll) entry.token -= first;
        moved->add(entry);
    }
    return moved;
}

} // namespace

ReadingTask::ReadingTask(std::shared_ptr<const LoadedModel> model, const RunRequest& request) : model_(std::move(model))
{
    ids_ = model_->tokenizer->encode(request.inputs.prompt.toStdString()).orThrow();
    if (request.limit > 0) ids_.resize(std::min(ids_.size(), static_cast<std::size_t>(request.limit)));
    if (ids_.size() < 2) {
        throw Failure(ErrorCode::InvalidArgument, "a text of one token has nothing to predict",
                      "Give a text of at least two tokens.");
    }
    TextStream stream(model_->tokenizer);
    for (const TokenId id : ids_) pieces_.push_back(QString::fromStdString(stream.push(id)));
    for (const PaneRequest& wanted : request.panes) {
        Pane pane;
        pane.request = wanted;
        pane.model = modelOf(wanted.choice, model_);
        pane.resolved = resolveChoice(wanted, *pane.model);
        pane.plan = describePlan(pane.resolved, *pane.model);
        panes_.push_back(std::move(pane));
    }
}

RunStart ReadingTask::start() const
{
    RunStart start;
    for (const Pane& pane : panes_) {
        PaneStart entry;
        entry.slot = pane.request.slot;
        entry.plan = pane.plan;
        entry.pieces = pieces_;
        const ModelConfig& config = model_->config();
        const LayerSizes full = config.maxSizes();
        Trace& trace = entry.trace;
        trace.label = pane.request.name.toStdString();
        trace.subnet = toString(pane.resolved.plan.subnet);
        trace.routing = routingName(pane.resolved.routing);
        trace.budget = pane.resolved.plan.budget;
        if (pane.request.choice.overrides) trace.overrides = toJson(*pane.request.choice.overrides);
        trace.choices = pane.resolved.plan.dynamic() ? pane.resolved.plan.routers->choices
                                                     : pane.model->checkpoint->choices();
        trace.layers = config.numLayers();
        trace.full_heads = full.num_attention_heads;
        trace.full_mlp = full.intermediate_size;
        trace.model = pane.model->name;
        trace.model_hash = pane.model->hash;
        trace.backend = model_->backend->description();
        if (model_->latency) trace.latency_table = model_->latency->fingerprint;
        for (std::size_t i = 0; i < ids_.size(); ++i) {
            TokenRecord record;
            record.position = static_cast<int>(i);
            record.id = ids_[i];
            record.given = true;
            record.logprob = std::numeric_limits<float>::quiet_NaN();
            if (ids_[i] < model_->tokenizer->vocabSize()) record.bytes = model_->tokenizer->tokenBytes(ids_[i]);
            trace.records.push_back(std::move(record));
        }
        start.panes.push_back(std::move(entry));
    }
    return start;
}

void ReadingTask::advance(const CancelToken& cancel)
{
    if (unsent() > kPiece) { // a window of text is read faster than it is shown
        cancel.throwIfCancelled();
        std::this_thread::sleep_for(kWait);
        return;
    }
    Pane& pane = panes_[next_];
    next_ = (next_ + 1) % panes_.size();
    if (pane.records.size() == ids_.size()) return;
    const int first = std::max(0, static_cast<int>(pane.records.size()) - 1); // read in both windows
    const int last = std::min(first + model_->config().max_position_embeddings, static_cast<int>(ids_.size()));
    WidthPlan plan = pane.resolved.plan;
    plan.overrides = shifted(plan.overrides, first);
    ScoreOptions options;
    options.top_tokens = kTopTokens;
    options.routing = pane.resolved.routing;
    const std::span<const TokenId> window(ids_.data() + first, static_cast<std::size_t>(last - first));
    Score score = scoreText(*pane.model, window, plan, options, {}, cancel).orThrow();
    for (std::size_t i = first == 0 ? 0 : 1; i < score.trace.records.size(); ++i) {
        TokenRecord record = std::move(score.trace.records[i]);
        record.position += first;
        pane.records.push_back(std::move(record));
    }
}

int ReadingTask::unsent() const
{
    int count = 0;
    for (const Pane& pane : panes_) count += static_cast<int>(pane.records.size()) - pane.sent;
    return count;
}

bool ReadingTask::finished() const
{
    return unsent() <= kPiece && std::all_of(panes_.begin(), panes_.end(),
                                             [this](const Pane& pane) { return pane.records.size() == ids_.size(); });
}

RunBatch ReadingTask::takeBatch()
{
    RunBatch batch;
    int room = kPiece;
    for (Pane& pane : panes_) {
        const int count = std::min(static_cast<int>(pane.records.size()), pane.sent + room);
        if (count == pane.sent) continue;
        room -= count - pane.sent;
        PaneBatch news;
        news.slot = pane.request.slot;
        news.first_record = pane.sent;
        news.records.assign(pane.records.begin() + pane.sent, pane.records.begin() + count);
        news.finished = count == static_cast<int>(ids_.size());
        if (news.finished) news.stop_reason = "read";
        pane.sent = count;
        batch.panes.push_back(std::move(news));
    }
    return batch;
}

} // namespace flextron::ui
