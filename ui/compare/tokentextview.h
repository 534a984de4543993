// A text view that knows which characters are which token: found by index, never by searching text.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include <QPlainTextEdit>

namespace flextron::ui {

/// Read-only. Text is appended, what is there is never drawn anew.
class TokenTextView final : public QPlainTextEdit {
    Q_OBJECT

public:
    explicit TokenTextView(QWidget* parent = nullptr);

    /// Forgets all tokens, but not the colours: a text that is written anew looks the same.
    void reset();
    struct Piece {
        int token = 0; ///< tokens come in order
        QString text;
        bool quiet = false; ///< of the prompt
    };
    /// At once: the paragraph is laid out anew once, however many pieces it gets.
    void append(const std::vector<Piece>& pieces);
    /// Character positions [first, second) in the document. A token whose bytes are only part of a character has those
    /// of the token that completed it.
    [[nodiscard]] std::optional<std::pair<int, int>> span(int token) const;
    /// -1 between tokens.
    [[nodiscard]] int tokenAt(int position) const;
    [[nodiscard]] int tokens() const { return static_cast<int>(starts_.size()); }

    void setSelectedTokens(int first, int last); ///< -1, -1 for none
    void setMarkedToken(int token);              ///< the split; -1 for none
    /// Grounds of tokens from `first` on, those still to come included; an invalid colour leaves a token plain.
    void setTokenColors(int first, const std::vector<QColor>& colors);
    void clearTokenColors();
    /// Invalid where a token is plain.
    [[nodiscard]] QColor tokenColor(int token) const;
    [[nodiscard]] int markedToken() const { return marked_; }

signals:
    void tokenClicked(int token, bool extend);

private:
    void mouseReleaseEvent(QMouseEvent* event) override;
    void changeEvent(QEvent* event) override;
    void updateMarks();
    void recolor();
    void applyFormat(int token);
    template <class Change> void atOnce(Change change);

    std::vector<int> starts_;    ///< document position at which each token begins
    std::vector<QColor> colors_; ///< grounds; shorter than starts_ where the rest is plain
    int quiet_end_ = 0;          ///< characters of the prompt
    int selected_first_ = -1;
    int selected_last_ = -1;
    int marked_ = -1;
};

} // namespace flextron::ui
