// A question to the engine with an answer of its own type: one at a time, the latest asked.
#pragma once

#include <functional>
#include <utility>

#include <QObject>

#include "ui/service/engineservice.h"

namespace flextron::ui {

/// Owned by a view. Callbacks come on the GUI thread; a question that was replaced, cancelled by the view or dropped
/// with its model is never answered.
template <typename Answer> class Inquiry final {
public:
    using Work = std::function<Result<Answer>(const std::shared_ptr<const LoadedModel>& model,
                                              const ProgressFn& progress, const CancelToken& cancel)>;
    using Answered = std::function<void(const Result<Answer>& answer)>;
    using Progressed = std::function<void(const LoadProgress& progress)>;

    /// `kind` is unique to the asker: another question of the same kind replaces this one.
    Inquiry(EngineService* service, QString kind, QObject* context, Answered answered, Progressed progressed = {})
        : service_(service)
        , kind_(std::move(kind))
    {
        QObject::connect(service, &EngineService::workDone, context,
                         [this, answered](quint64 id, const EngineAnswer& answer) {
                             if (id != id_) return;
                             id_ = 0;
                             answered(*static_cast<const Answer*>(answer.get()));
                         });
        QObject::connect(service, &EngineService::workFailed, context,
                         [this, answered](quint64 id, const Error& error) {
                             if (id != id_) return;
                             id_ = 0;
                             answered(error);
                         });
        QObject::connect(service, &EngineService::workProgress, context,
                         [this, progressed](quint64 id, const LoadProgress& progress) {
                             if (id == id_ && progressed) progressed(progress);
                         });
        QObject::connect(service, &EngineService::modelLoaded, context, [this] { id_ = 0; });
    }

    void ask(Work work)
    {
        id_ = service_->submit(kind_,
                               [work = std::move(work)](const auto& model, const auto& progress,
                                                        const auto& cancel) -> Result<EngineAnswer> {
                                   Result<Answer> answer = work(model, progress, cancel);
                                   if (!answer.ok()) return answer.error();
                                   return EngineAnswer(std::make_shared<const Answer>(std::move(*answer)));
                               });
    }
    /// The answer is no longer wanted.
    void forget()
    {
        if (const quint64 id = std::exchange(id_, 0); id != 0) service_->cancelWork(id);
    }
    /// By the user: answered with Cancelled.
    void cancel()
    {
        if (id_ != 0) service_->cancelWork(id_);
    }
    [[nodiscard]] bool waiting() const { return id_ != 0; }

private:
    EngineService* service_;
    QString kind_;
    quint64 id_ = 0;
};

} // namespace flextron::ui
