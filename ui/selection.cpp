#include "ui/selection.h"

#include <algorithm>

namespace flextron::ui {

void Selection::selectToken(PaneSlot pane, int token, int layer)
{
    SelectionState next = state_;
    next.pane = pane;
    next.primary = token;
    next.tokens.clear();
    if (token >= 0) next.tokens.insert(token);
    if (layer >= 0) next.layer = layer;
    set(std::move(next));
}

void Selection::extendTo(int token)
{
    if (state_.primary < 0 || token < 0) {
        selectToken(state_.pane, token);
        return;
    }
    SelectionState next = state_;
    for (int i = std::min(token, state_.primary); i <= std::max(token, state_.primary); ++i) next.tokens.insert(i);
    next.primary = token;
    set(std::move(next));
}

void Selection::setLayer(int layer)
{
    SelectionState next = state_;
    next.layer = layer;
    set(std::move(next));
}

void Selection::clear()
{
    set({});
}

void Selection::set(SelectionState state)
{
    if (state == state_) return;
    state_ = std::move(state);
    emit changed(state_);
}

} // namespace flextron::ui
