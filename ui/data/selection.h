// The one selection that all views share: no view knows another.
#pragma once

#include <set>

#include <QObject>

#include "ui/service/rundata.h"

namespace flextron::ui {

/// Tokens are indices into a pane's text (Trace::records); -1 = nothing.
struct SelectionState {
    PaneSlot pane = PaneSlot::Live;
    std::set<int> tokens; ///< contains `primary` unless that is -1
    int primary = -1;
    int layer = -1;
    std::set<int> layers; ///< of a brush; contains `layer`. Empty: `layer` alone
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
    /// A brush: all tokens and layers between two corners (inclusive); the second is the primary one.
    void selectCells(PaneSlot pane, int token, int layer, int to_token, int to_layer);
    /// Exactly these tokens; the first is the primary one.
    void selectTokens(PaneSlot pane, const std::set<int>& tokens);
    void clear();

    /// "Keep the text before `token`, go on with `id` instead, in a pane of its own." Offered where somebody listens.
    void requestContinuation(PaneSlot pane, int token, TokenId id) { emit continuationRequested(pane, token, id); }
    [[nodiscard]] bool continuationOffered() const { return continuation_offered_; }
    void setContinuationOffered(bool offered) { continuation_offered_ = offered; }

signals:
    void changed(const flextron::ui::SelectionState& state);
    void continuationRequested(flextron::ui::PaneSlot pane, int token, flextron::TokenId id);

private:
    void set(SelectionState state);
    SelectionState state_;
    bool continuation_offered_ = false;
};

} // namespace flextron::ui
