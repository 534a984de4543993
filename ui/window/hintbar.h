// What to try next, one hint at a time, until somebody has tried it or does not want to hear it.
#pragma once

#include <set>
#include <vector>

#include <QFrame>
#include <QLabel>
#include <QPushButton>

class QAction;
class QMenu;

namespace flextron::ui {

class ActionButton;

class HintBar final : public QFrame {
    Q_OBJECT

public:
    struct Hint {
        QString name; ///< what tried() calls it
        QString text;
        QAction* action = nullptr; ///< offered as a button; may be null
        QMenu* menu = nullptr;     ///< likewise
    };
    /// Shows nothing before setNext(): until it has its place it would be a window of its own.
    explicit HintBar(std::vector<Hint> hints, QWidget* parent = nullptr);

    /// Index of the hint that is shown; as many as there are hints when all were seen.
    [[nodiscard]] int next() const { return next_; }
    void setNext(int next);
    /// Hidden for the time being, whatever there is to say.
    void setQuiet(bool quiet);
    [[nodiscard]] QString text() const { return isHidden() ? QString() : text_->text(); }
    /// The hint of this name is out of date; nothing when another one is shown.
    void tried(const QString& name);

private:
    void skipTried();
    void showHint();
    void fitHeight();
    void changeEvent(QEvent* event) override;
    void resizeEvent(QResizeEvent* event) override;
    void updateColors();

    std::vector<Hint> hints_;
    int next_ = 0;
    std::set<QString> tried_;
    bool quiet_ = false;
    QLabel* count_;
    QLabel* text_;
    ActionButton* button_;
    QPushButton* menu_button_;
};

} // namespace flextron::ui
