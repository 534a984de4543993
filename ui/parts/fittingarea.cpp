#include "ui/parts/fittingarea.h"

#include <algorithm>

#include <QEvent>
#include <QScreen>
#include <QScrollBar>

namespace flextron::ui {

namespace {
constexpr double kMostOfScreen = 0.42; // two of them stand one above the other, with a title bar and menus
} // namespace

FittingArea::FittingArea(QWidget* content, QWidget* parent) : QScrollArea(parent)
{
    setFrameShape(QFrame::NoFrame);
    setFocusPolicy(Qt::NoFocus); // its controls have the keyboard, and Tab scrolls to them
    setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
    setWidgetResizable(true);
    setWidget(content);
    content->installEventFilter(this);
}

QSize FittingArea::minimumSizeHint() const
{
    const QSize needed = widget()->minimumSizeHint();
    const int most = static_cast<int>(kMostOfScreen * screen()->availableSize().height());
    if (needed.height() <= most) return needed;
    return {needed.width() + verticalScrollBar()->sizeHint().width(), most};
}

QSize FittingArea::sizeHint() const
{
    return widget()->sizeHint();
}

bool FittingArea::eventFilter(QObject* watched, QEvent* event)
{
    if (watched == widget() && event->type() == QEvent::LayoutRequest) updateGeometry();
    return QScrollArea::eventFilter(watched, event);
}

} // namespace flextron::ui
