// The one selection that all views share: no view knows another.
#pragma once

#include <set>

#include <QObject>

#include "ui/rundata.h"

namespace flextron::ui {

/// Tokens are indices into a pane's text (Trace::records); -1 = nothing.
struct SelectionState {
    PaneSlot pane = PaneSlot::Live;
    std::set<int> tokens; ///< contains `primary` unless that is -1
    int primary = -1;
    int layer = -1;
    bool operator==(const SelectionState&) const = default;
};

class Selection final : public QObject {
    Q_OBJECT

public:
    using QObject::QObject;

    [[nodiscard]] const SelectionState& state() const { return state_; }
    /// One token, and a layer where the view has one; -1 keeps the layer.
    void selectToken(PaneSlot pane, int token, int layer = -1);
    /// All tokens from the primary one to `token`, which becomes the primary.
    void extendTo(int token);
    void setLayer(int layer);
    void clear();

signals:
    void changed(const flextron::ui::SelectionState& state);

private:
    void set(SelectionState state);
    SelectionState state_;
};

} // namespace flextron::ui
