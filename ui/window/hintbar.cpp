#include "ui/window/hintbar.h"

#include <algorithm>

#include <QAction>
#include <QEvent>
#include <QHBoxLayout>
#include <QLocale>
#include <QMenu>

#include "ui/parts/colors.h"
#include "ui/parts/statepage.h"

namespace flextron::ui {

HintBar::HintBar(std::vector<Hint> hints, QWidget* parent)
    : QFrame(parent)
    , hints_(std::move(hints))
    , count_(new QLabel)
    , text_(new QLabel)
    , button_(new ActionButton)
    , menu_button_(new QPushButton)
{
    setObjectName(QStringLiteral("hintBar"));
    setFrameShape(QFrame::StyledPanel);
    text_->setWordWrap(true);
    text_->setAccessibleName(tr("What to try next"));
    menu_button_->setAccessibleName(tr("Choose"));
    auto* later = new QPushButton(tr("Next Hint"));
    later->setToolTip(tr("Show the next hint without trying this one"));
    auto* close = new QPushButton(tr("No More Hints"));
    close->setToolTip(tr("Help > Hints brings them back"));
    auto* layout = new QHBoxLayout(this);
    const int gap = fontMetrics().height() / 4;
    layout->setContentsMargins(gap, gap, gap, gap);
    layout->addWidget(count_);
    layout->addWidget(text_, 1);
    layout->addWidget(button_);
    layout->addWidget(menu_button_);
    layout->addWidget(later);
    layout->addWidget(close);
    connect(later, &QPushButton::clicked, this, [this] {
        setNext(next_ + 1);
        skipTried();
    });
    connect(close, &QPushButton::clicked, this, [this] { setNext(static_cast<int>(hints_.size())); });
    updateColors();
}

void HintBar::setNext(int next)
{
    next_ = std::clamp(next, 0, static_cast<int>(hints_.size()));
    if (next_ == 0) tried_.clear(); // from the beginning
    showHint();
}

void HintBar::setQuiet(bool quiet)
{
    quiet_ = quiet;
    showHint();
}

void HintBar::tried(const QString& name)
{
    tried_.insert(name);
    skipTried();
}

// Somebody who did a thing before its turn need not be told of it.
void HintBar::skipTried()
{
    int next = next_;
    while (next < static_cast<int>(hints_.size()) && tried_.contains(hints_[static_cast<std::size_t>(next)].name))
        ++next;
    if (next != next_) setNext(next);
}

void HintBar::showHint()
{
    const bool more = next_ < static_cast<int>(hints_.size());
    setVisible(more && !quiet_);
    if (!more) return;
    const Hint& hint = hints_[static_cast<std::size_t>(next_)];
    const QLocale locale;
    count_->setText(
        tr("Hint %1 of %2").arg(locale.toString(next_ + 1), locale.toString(static_cast<int>(hints_.size()))));
    text_->setText(hint.text);
    button_->setAction(hint.action);
    menu_button_->setVisible(hint.menu != nullptr);
    menu_button_->setMenu(hint.menu);
    if (hint.menu != nullptr) menu_button_->setText(hint.menu->title().remove(QLatin1Char('&')));
    fitHeight();
}

// A splitter does not ask how high a wrapped text is at its width.
void HintBar::fitHeight()
{
    setMinimumHeight(layout()->totalHeightForWidth(width()));
}

void HintBar::resizeEvent(QResizeEvent* event)
{
    QFrame::resizeEvent(event);
    fitHeight();
}

void HintBar::changeEvent(QEvent* event)
{
    QFrame::changeEvent(event);
    if (event->type() == QEvent::PaletteChange) updateColors();
}

void HintBar::updateColors()
{
    QPalette colors = palette();
    colors.setColor(QPalette::WindowText, quietColor(palette()));
    count_->setPalette(colors);
}

} // namespace flextron::ui
