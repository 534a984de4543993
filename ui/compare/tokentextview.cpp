#include "ui/compare/tokentextview.h"

#include <algorithm>

#include <QMouseEvent>
#include <QScrollBar>
#include <QTextBlock>

#include "ui/parts/colors.h"

namespace flextron::ui {

TokenTextView::TokenTextView(QWidget* parent) : QPlainTextEdit(parent)
{
    setReadOnly(true);
    setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
    setUndoRedoEnabled(false);
}

void TokenTextView::reset()
{
    starts_.clear();
    quiet_end_ = 0;
    selected_first_ = selected_last_ = marked_ = -1;
    setExtraSelections({});
    clear();
}

// A change lays the whole paragraph out anew. Of a text of 2,000 tokens that takes milliseconds, so that a change a
// token would take seconds.
template <class Change> void TokenTextView::atOnce(Change change)
{
    QTextCursor block(document());
    block.beginEditBlock();
    change();
    block.endEditBlock();
}

void TokenTextView::append(const std::vector<Piece>& pieces)
{
    if (pieces.empty()) return;
    QScrollBar* bar = verticalScrollBar();
    const bool follow = bar->value() >= bar->maximum();
    atOnce([&] {
        QTextCursor cursor(document());
        cursor.movePosition(QTextCursor::End);
        // Pieces that look alike go in together: one by one, a long text takes its time.
        QString run;
        bool quiet = false;
        const auto insert = [&] {
            if (run.isEmpty()) return;
            QTextCharFormat format;
            format.setForeground(quiet ? quietColor(palette()) : palette().color(QPalette::Text));
            cursor.insertText(run, format);
            run.clear();
            if (quiet) quiet_end_ = cursor.position();
        };
        for (const Piece& piece : pieces) {
            if (piece.quiet != quiet) insert();
            quiet = piece.quiet;
            const auto at = cursor.position() + static_cast<int>(run.size());
            while (static_cast<int>(starts_.size()) <= piece.token) starts_.push_back(at);
            run += piece.text;
            if (piece.text.contains(QLatin1Char('\r'))) insert(); // of a line's two ends one remains
        }
        insert();
        for (const Piece& piece : pieces)
            if (tokenColor(piece.token).isValid()) applyFormat(piece.token);
    });
    if (follow) bar->setValue(bar->maximum());
}

std::optional<std::pair<int, int>> TokenTextView::span(int token) const
{
    if (token < 0 || token >= tokens()) return std::nullopt;
    const int end = document()->characterCount() - 1;
    const auto end_of = [&](int i) { return i + 1 < tokens() ? starts_[static_cast<std::size_t>(i) + 1] : end; };
    const int start = starts_[static_cast<std::size_t>(token)];
    int last = token;
    while (last + 1 < tokens() && end_of(last) == start) ++last;
    return end_of(last) > start ? std::optional(std::pair(start, end_of(last))) : std::nullopt;
}

int TokenTextView::tokenAt(int position) const
{
    const auto after = std::upper_bound(starts_.begin(), starts_.end(), position);
    return static_cast<int>(after - starts_.begin()) - 1;
}

void TokenTextView::setSelectedTokens(int first, int last)
{
    if (first == selected_first_ && last == selected_last_) return;
    selected_first_ = first;
    selected_last_ = last;
    updateMarks();
    const auto place = span(first);
    if (!place || textCursor().hasSelection()) return; // what somebody is about to copy stays
    QTextCursor there(document());
    there.setPosition(place->first);
    setTextCursor(there);
    ensureCursorVisible();
}

void TokenTextView::setMarkedToken(int token)
{
    if (token == marked_) return;
    marked_ = token;
    updateMarks();
}

void TokenTextView::setTokenColors(int first, const std::vector<QColor>& colors)
{
    const auto from = static_cast<std::size_t>(first);
    colors_.resize(from + colors.size());
    if (std::equal(colors.begin(), colors.end(), colors_.begin() + first)) return;
    atOnce([&] {
        for (std::size_t i = 0; i < colors.size(); ++i) {
            if (colors_[from + i] == colors[i]) continue;
            colors_[from + i] = colors[i];
            applyFormat(first + static_cast<int>(i));
        }
    });
}

void TokenTextView::clearTokenColors()
{
    if (colors_.empty()) return;
    colors_.clear();
    atOnce([&] {
        for (int token = 0; token < tokens(); ++token) applyFormat(token);
    });
}

QColor TokenTextView::tokenColor(int token) const
{
    return token >= 0 && token < static_cast<int>(colors_.size()) ? colors_[static_cast<std::size_t>(token)] : QColor();
}

void TokenTextView::applyFormat(int token)
{
    const auto place = span(token);
    if (!place) return;
    QTextCursor cursor(document());
    cursor.setPosition(place->first);
    cursor.setPosition(place->second, QTextCursor::KeepAnchor);
    const QColor ground = tokenColor(token);
    QTextCharFormat format;
    if (ground.isValid()) {
        format.setBackground(ground);
        format.setForeground(textColorOn(ground));
    } else {
        format.setForeground(place->first < quiet_end_ ? quietColor(palette()) : palette().color(QPalette::Text));
    }
    cursor.setCharFormat(format);
}

void TokenTextView::updateMarks()
{
    QList<QTextEdit::ExtraSelection> marks;
    const auto mark = [&](int first, int last, const QTextCharFormat& format) {
        const auto from = span(first);
        const auto to = span(last);
        if (!from || !to) return;
        QTextEdit::ExtraSelection selection;
        selection.cursor = QTextCursor(document());
        selection.cursor.setPosition(from->first);
        selection.cursor.setPosition(to->second, QTextCursor::KeepAnchor);
        selection.cursor.setKeepPositionOnInsert(true); // or the mark would grow with the text
        selection.format = format;
        marks << selection;
    };
    if (marked_ >= 0) {
        QTextCharFormat format;
        format.setBackground(cautionColor(palette()));
        format.setForeground(palette().color(QPalette::Base));
        mark(marked_, marked_, format);
    }
    if (selected_first_ >= 0) {
        QTextCharFormat format;
        format.setBackground(palette().color(QPalette::Highlight));
        format.setForeground(palette().color(QPalette::HighlightedText));
        mark(selected_first_, selected_last_, format);
    }
    setExtraSelections(marks);
}

void TokenTextView::mouseReleaseEvent(QMouseEvent* event)
{
    QPlainTextEdit::mouseReleaseEvent(event);
    if (event->button() != Qt::LeftButton || textCursor().hasSelection()) return;
    // A cursor stands between two characters: the nearest gap may be the one after the character that was hit.
    const QTextCursor gap = cursorForPosition(event->position().toPoint());
    const bool before = event->position().x() < cursorRect(gap).left();
    const int token = tokenAt(gap.position() - (before ? 1 : 0));
    if (token >= 0) emit tokenClicked(token, event->modifiers().testFlag(Qt::ShiftModifier));
}

void TokenTextView::changeEvent(QEvent* event)
{
    QPlainTextEdit::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) recolor();
}

void TokenTextView::recolor()
{
    const auto color = [this](int from, int to, const QColor& foreground) {
        QTextCursor cursor(document());
        cursor.setPosition(from);
        cursor.setPosition(to, QTextCursor::KeepAnchor);
        QTextCharFormat format;
        format.setForeground(foreground);
        cursor.mergeCharFormat(format);
    };
    const int end = document()->characterCount() - 1;
    atOnce([&] {
        color(0, quiet_end_, quietColor(palette()));
        color(quiet_end_, end, palette().color(QPalette::Text));
        for (int token = 0; token < static_cast<int>(colors_.size()); ++token) applyFormat(token);
    });
    updateMarks();
}

} // namespace flextron::ui
