#include "ui/window/history.h"

#include <functional>

namespace flextron::ui {

namespace {

constexpr int kMostSteps = 200;
constexpr int kKeyed = 1; // id of commands that may join

class Step final : public QUndoCommand {
public:
    Step(const QString& what, QString key, ComparisonState before, ComparisonState after,
         std::function<void(const ComparisonState&)> put)
        : QUndoCommand(what)
        , key_(std::move(key))
        , before_(std::move(before))
        , after_(std::move(after))
        , put_(std::move(put))
    {
    }

    void undo() override { put_(before_); }
    void redo() override
    {
        if (done_) put_(after_);
        done_ = true; // the first time it was the user's doing
    }
    [[nodiscard]] int id() const override { return key_.isEmpty() ? -1 : kKeyed; }
    bool mergeWith(const QUndoCommand* other) override
    {
        const auto* next = static_cast<const Step*>(other);
        if (next->key_ != key_) return false;
        after_ = next->after_;
        return true;
    }

private:
    QString key_;
    ComparisonState before_;
    ComparisonState after_;
    std::function<void(const ComparisonState&)> put_;
    bool done_ = false;
};

/// What a step is about: neither prompt nor mode.
ComparisonState settable(ComparisonState state)
{
    state.inputs.prompt.clear();
    state.inputs.mode = RunMode::Write;
    return state;
}

} // namespace

History::History(Comparison* comparison, QObject* parent) : QObject(parent), comparison_(comparison)
{
    stack_.setUndoLimit(kMostSteps);
    restart();
    connect(comparison_, &Comparison::changed, this, &History::record);
}

void History::restart()
{
    stack_.clear();
    last_ = settable(comparison_->state());
}

void History::record(const QString& what, const QString& key)
{
    ComparisonState now = settable(comparison_->state());
    if (now == last_) return;
    stack_.push(new Step(what, key, last_, now, [this](const ComparisonState& state) {
        comparison_->restore(state);
        last_ = settable(comparison_->state());
    }));
    last_ = std::move(now);
}

} // namespace flextron::ui
