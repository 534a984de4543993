// Undo and redo of what the user sets: targets, pins, forced choices, sampling. The prompt's editor has its own.
#pragma once

#include <QObject>
#include <QUndoStack>

#include "ui/data/comparison.h"

namespace flextron::ui {

/// A step is the whole state before and after: small values, so nothing can be forgotten. A drag is one step, as is a
/// row of changes of one kind.
class History final : public QObject {
    Q_OBJECT

public:
    explicit History(Comparison* comparison, QObject* parent = nullptr);

    [[nodiscard]] QUndoStack* stack() { return &stack_; }
    /// Forgets all steps: what they would go back to is of another model or session.
    void restart();

private:
    void record(const QString& what, const QString& key);

    Comparison* comparison_;
    ComparisonState last_;
    QUndoStack stack_;
};

} // namespace flextron::ui
