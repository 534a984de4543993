#include "ui/data/selection.h"

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
    next.layers.clear();
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
    next.layers.clear();
    set(std::move(next));
}

void Selection::selectCells(PaneSlot pane, int token, int layer, int to_token, int to_layer)
{
    SelectionState next;
    next.pane = pane;
    next.primary = to_token;
    next.layer = to_layer;
    for (int i = std::min(token, to_token); i <= std::max(token, to_token); ++i) next.tokens.insert(i);
    for (int i = std::min(layer, to_layer); i <= std::max(layer, to_layer); ++i) next.layers.insert(i);
    set(std::move(next));
}

void Selection::selectTokens(PaneSlot pane, const std::set<int>& tokens)
{
    SelectionState next = state_;
    next.pane = pane;
    next.tokens = tokens;
    next.primary = tokens.empty() ? -1 : *tokens.begin();
    next.layers.clear();
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
